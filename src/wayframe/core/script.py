"""A segment of a plan as a short program that needs diffusers and torch, and nothing of ours.

The program makes the steps one by one instead of calling the pipeline: that has one guidance per expert, and noise
levels of its own. What it does not say - how pictures and texts become tensors - is the pipeline's, by its methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pprint import pformat

from wayframe.core.catalogue import Model
from wayframe.core.plan import Plan, SegmentPlan, lora_name
from wayframe.core.schedule import Solver
from wayframe.errors import SpecError

_PIPELINES = {
    "t2v": "WanPipeline",
    "i2v": "WanImageToVideoPipeline",
    "flf2v": "WanImageToVideoPipeline",
    "vace": "WanVACEPipeline",
}
_PACKAGES = "torch diffusers transformers accelerate ftfy imageio imageio-ffmpeg"
_HEIC = (".heic", ".heif", ".hif")
_WIDTH = 116


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptSource:
    """What a script is made of: a plan, the model's entry in the catalogue, and the names of all keyframes' files.

    `dtype` is that of transformers and text encoder as torch names it, `text_length` the tokens of a prompt.
    """

    plan: Plan
    model: Model
    images: Sequence[str]
    dtype: str = "bfloat16"
    text_length: int = 512


def segment_script(source: ScriptSource, *, index: int) -> str:
    """The text of the program for segment `index`, which counts from 0.

    Raises `SpecError` for a segment that is not there, or that a program without us cannot make: without steps, of a
    model that keeps its first frame among the latents (the 5B), from the last frames of another segment, steered by a
    guide video, of a keyframe that stands still, or whose files share a name. A look is left out, which the program
    says.
    """
    segment = _segment(source, index)
    pipeline, kind = _PIPELINES[source.model.kind], source.model.kind
    parts = [
        _head(source, segment, pipeline=pipeline),
        _data(source, segment),
        _LOAD.replace("PIPELINE", pipeline),
        _LORAS if _loras(source, segment) else "",
        *([_PICTURES] if kind != "t2v" else []),
        _TEXT,
        _CONDITIONS[_PIPELINES[kind]],
        _SOLVERS[Solver(segment.solver)],
        _star(segment) + _LOOP.replace("ADAPT", _ADAPT if _loras(source, segment) else ""),
        _TAIL.replace("FILE", f"segment_{index:03d}.mp4"),
    ]
    return "\n".join(part for part in parts if part)


def _segment(source: ScriptSource, index: int) -> SegmentPlan:
    plan = source.plan
    if not 0 <= index < len(plan.segments):
        raise SpecError("--segment", f"there are segments 0 to {len(plan.segments) - 1}", index)
    segment = plan.segments[index]
    _check_denoised(segment)
    if source.model.whole_latents:
        raise SpecError("model", "keeps its first frame among the latents, which the script cannot do", plan.model)
    if segment.guide is not None and source.model.kind == "vace":
        raise SpecError(f"segments[{index}]", "is steered by a guide video, which the script cannot do")
    if plan.starts_from_before(segment) and segment.overlap_before:
        problem = f"starts from the last {segment.overlap_before} frames of segment {index - 1}, not from a picture"
        raise SpecError(f"segments[{index}]", problem, fix="export segment 0, or a trip with chaining: independent")
    if plan.ends(segment)[0] is None and source.model.kind != "t2v":
        raise SpecError(f"segments[{index}]", "starts from no picture, which the script cannot do")
    _check_names(source, segment)
    return segment


def _check_denoised(segment: SegmentPlan) -> None:
    place = f"segments[{segment.index}]"
    if segment.still:
        raise SpecError(place, "shows a keyframe that stands still: nothing denoises it")
    if segment.piece is not None:
        raise SpecError(place, "is frames of a video as they are: nothing denoises it")
    if not segment.steps:
        raise SpecError(f"{place}.steps", "there are none to write", fix="name a model or steps")


def _check_names(source: ScriptSource, segment: SegmentPlan) -> None:
    """Raise `SpecError` where two different files, which lie beside the script, have one name."""
    ends = [number for number in source.plan.ends(segment) if number is not None]
    pictures = zip([source.plan.keyframes[number].digest for number in ends], _pictures(source, segment), strict=False)
    loras = ((source.plan.loras[lora].digest, name) for lora, name in _loras(source, segment).items())
    known: dict[str, str] = {}
    for digest, name in (*pictures, *loras):
        if name is not None and known.setdefault(name, digest) != digest:
            problem = "is the name of two files, which cannot both lie beside the script"
            raise SpecError(f"segments[{segment.index}]", problem, name, fix="rename one")


def _head(source: ScriptSource, segment: SegmentPlan, *, pipeline: str) -> str:
    loras, pictures = _loras(source, segment), _pictures(source, segment)
    heic = any(name and name.lower().endswith(_HEIC) for name in pictures)
    more = (" peft" if loras else "") + (" pillow-heif" if heic else "")
    imports = sorted({pipeline, "AutoencoderKLWan", *_SOLVER_CLASSES[Solver(segment.solver)]}, key=str.lower)
    files = [name for name in dict.fromkeys([*pictures, *loras.values()]) if name]
    beside = f"\n\nBeside it lie {', '.join(map(_quoted, files))}." if files else ""
    beside += "\n\nThe plan's look (colours, saturation, brightness, banner) is not in it." if segment.look else ""
    return (
        f'"""Segment {segment.index} of a travel, made by diffusers alone: segment_{segment.index:03d}.mp4.\n\n'
        f'Needs: pip install {_PACKAGES}{more}{beside}\n"""\n\n'
        "import numpy as np\nimport torch\n"
        f"from diffusers import {', '.join(imports)}\nfrom diffusers.utils import export_to_video\n"
        + ("from PIL import Image, ImageOps\n" if pictures[0] else "")
        + ("from pillow_heif import register_heif_opener\n" if heic else "")
        + ("from safetensors.torch import load_file\n" if loras else "")
        + ("\nregister_heif_opener()\n" if heic else "")
    )


def _quoted(name: str) -> str:
    """A file's name for the text at the head: whatever is in it, it ends neither the text nor a line."""
    return repr(name)[1:-1].replace('"', '\\"')


def _data(source: ScriptSource, segment: SegmentPlan) -> str:
    plan, kind = source.plan, source.model.kind
    first, last = _pictures(source, segment)
    width, height = plan.size
    steps = [
        (step.timestep, step.sigma, step.sigma_next, step.expert, step.guidance, step.forwards, _weights(step.loras))
        for step in segment.steps
    ]
    values: dict[str, object] = {
        "MODEL": source.model.source,
        "REVISION": source.model.revision or None,
        "WIDTH": width,
        "HEIGHT": height,
        "FRAMES": segment.frames,
        "FPS": float(plan.rate) if plan.rate.denominator > 1 else int(plan.rate),
        "SEED": segment.seed,
        "PROMPT": segment.prompt,
        "NEGATIVE": segment.negative_prompt,
        "TEXT_LENGTH": source.text_length,
        **({"FIRST": first, "LAST": last, "FIT": plan.fit, "MATTE": plan.matte} if kind != "t2v" else {}),
        **({"LORAS": _loras(source, segment)} if _loras(source, segment) else {}),
    }
    lines = [f"{name} = {_literal(value)}" for name, value in values.items()]
    table = "".join(f"    {step!r},\n" for step in steps)
    about = "# timestep, sigma, next sigma, expert, guidance, forwards, weight of each LoRA"
    device = f'DEVICE = "cuda" if torch.cuda.is_available() else "cpu"\nDTYPE = torch.{source.dtype}\n'
    return "\n".join(lines) + f"\n{about}\nSTEPS = [\n{table}]\n{device}"


def _literal(value: object) -> str:
    return pformat(value, width=_WIDTH, sort_dicts=False)


def _weights(loras: Mapping[str, float]) -> dict[str, float]:
    return {name: weight for name, weight in loras.items() if weight}


def _pictures(source: ScriptSource, segment: SegmentPlan) -> tuple[str | None, str | None]:
    """The files of the first and the last keyframe, as far as the model looks at them."""
    if source.model.kind == "t2v":
        return None, None
    first, last = (
        None if number is None else lora_name(source.images[number].split("?")[0])
        for number in source.plan.ends(segment)
    )
    return first, last if source.model.takes_end else None


def _loras(source: ScriptSource, segment: SegmentPlan) -> dict[str, str]:
    """The file names of the LoRAs that have a weight at any step, by id."""
    used = {name for step in segment.steps for name in _weights(step.loras)}
    return {name: lora_name(lora.file).split("?")[0] for name, lora in source.plan.loras.items() if name in used}


def _star(segment: SegmentPlan) -> str:
    return _STAR if segment.cfg_star else _PLAIN


_LOAD = """
vae = AutoencoderKLWan.from_pretrained(MODEL, subfolder="vae", revision=REVISION, torch_dtype=torch.float32)
pipe = PIPELINE.from_pretrained(MODEL, revision=REVISION, vae=vae, torch_dtype=DTYPE)
if DEVICE == "cuda":
    pipe.enable_model_cpu_offload()
EXPERTS = {"high": pipe.transformer, "only": pipe.transformer, "low": getattr(pipe, "transformer_2", None)}
"""

_LORAS = """
# each LoRA goes to the experts that use it
loaded = {"high": [], "only": [], "low": []}
for expert, adapters in loaded.items():
    for name, file in LORAS.items():
        if any(name in step[6] for step in STEPS if step[3] == expert):
            adapters.append(name)
            low = {"load_into_transformer_2": True} if expert == "low" else {}
            pipe.load_lora_weights(load_file(file), adapter_name=f"{expert}_{len(adapters)}", **low)
"""

_PICTURES = """
def picture(file):
    upright = ImageOps.exif_transpose(Image.open(file)).convert("RGBA")
    image = Image.new("RGB", upright.size, MATTE)
    image.paste(upright, mask=upright)
    size, method = (WIDTH, HEIGHT), Image.Resampling.LANCZOS
    if FIT == "cover":
        return ImageOps.fit(image, size, method)
    if FIT == "stretch":
        return image.resize(size, method)
    scale = min(WIDTH / image.width, HEIGHT / image.height)
    inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    ground = Image.new("RGB", size, MATTE)
    ground.paste(image.resize(inner, method), ((WIDTH - inner[0]) // 2, (HEIGHT - inner[1]) // 2))
    return ground


first = picture(FIRST)
last = picture(LAST) if LAST else None
"""

_TEXT = """
with torch.no_grad():
    prompt, negative = pipe.encode_prompt(PROMPT, NEGATIVE, max_sequence_length=TEXT_LENGTH, device=DEVICE)
prompt, negative = prompt.to(DTYPE), negative.to(DTYPE)
"""

_NOISE = """
shape = (1, vae.config.z_dim, (FRAMES - 1) // pipe.vae_scale_factor_temporal + 1,
         HEIGHT // pipe.vae_scale_factor_spatial, WIDTH // pipe.vae_scale_factor_spatial)
latents = torch.randn(shape, generator=torch.Generator().manual_seed(SEED), dtype=torch.float32).to(DEVICE)
"""

_TEXT_ONLY = """
channels, extra = None, {}
"""

_IMAGES = """
def tensor(image):
    return pipe.video_processor.preprocess(image, height=HEIGHT, width=WIDTH).to(DEVICE, dtype=torch.float32)


extra = {}
with torch.no_grad():
    latents, channels = pipe.prepare_latents(
        tensor(first), 1, vae.config.z_dim, HEIGHT, WIDTH, FRAMES, torch.float32, DEVICE, None, latents,
        None if last is None else tensor(last),
    )
    if pipe.transformer.config.image_dim is not None:
        seen = pipe.encode_image(first if last is None else [first, last], DEVICE)
        extra["encoder_hidden_states_image"] = seen.to(DTYPE)
"""

_GUIDE = """
# known frames as they are, grey where a frame is to be made; the mask is white there
guide = np.full((FRAMES, HEIGHT, WIDTH, 3), 0.5, np.float32)
mask = np.ones_like(guide)
for at, image in ((0, first), (FRAMES - 1, last)):
    if image is not None:
        guide[at], mask[at] = np.asarray(image, np.float32) / 255.0, 0
with torch.no_grad():
    size = {"height": HEIGHT, "width": WIDTH, "num_frames": FRAMES, "dtype": torch.float32, "device": DEVICE}
    guide, mask, references = pipe.preprocess_conditions([guide], [mask], None, **size)
    control = pipe.prepare_video_latents(guide, mask, references, None, DEVICE)
    control = torch.cat([control, pipe.prepare_masks(mask, references, None)], dim=1).to(DTYPE)
scale = control.new_ones(len(pipe.transformer.config.vace_layers))
channels, extra = None, {"control_hidden_states": control, "control_hidden_states_scale": scale}
"""

_CONDITIONS = {
    "WanPipeline": _NOISE + _TEXT_ONLY,
    "WanImageToVideoPipeline": _NOISE + _IMAGES,
    "WanVACEPipeline": _NOISE + _GUIDE,
}

_EULER = """
def step(index, velocity, latents):
    _, sigma, sigma_next, *_ = STEPS[index]
    return latents + (sigma_next - sigma) * velocity
"""

_MULTISTEP = """
def step(index, velocity, latents):
    return scheduler.step(velocity, scheduler.timesteps[index], latents, return_dict=False)[0]
"""

_UNIPC = (
    """
scheduler = UniPCMultistepScheduler(
    solver_order=2, solver_type="bh2", prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=1.0
)
scheduler.set_timesteps(sigmas=np.array([sigma for _, sigma, *_ in STEPS]))
scheduler.set_begin_index(0)
"""
    + _MULTISTEP
)

_DPMPP = (
    """
scheduler = DPMSolverMultistepScheduler(
    solver_order=2, algorithm_type="dpmsolver++", prediction_type="flow_prediction", use_flow_sigmas=True
)
scheduler.num_inference_steps = len(STEPS)  # its set_timesteps takes no sigmas
scheduler.sigmas = torch.tensor([*(sigma for _, sigma, *_ in STEPS), STEPS[-1][2]], dtype=torch.float32)
scheduler.timesteps = scheduler.sigmas[:-1] * 1000
scheduler.set_begin_index(0)
"""
    + _MULTISTEP
)

_SOLVERS = {Solver.EULER: _EULER, Solver.TRAILING: _EULER, Solver.UNIPC: _UNIPC, Solver.DPMPP: _DPMPP}
_SOLVER_CLASSES: Mapping[Solver, tuple[str, ...]] = {
    Solver.EULER: (),
    Solver.TRAILING: (),
    Solver.UNIPC: ("UniPCMultistepScheduler",),
    Solver.DPMPP: ("DPMSolverMultistepScheduler",),
}

_PLAIN = """
def guided(cond, uncond, scale):
    return uncond + scale * (cond - uncond)

"""

_STAR = """
def guided(cond, uncond, scale):  # CFG-Zero*, arXiv 2503.18886
    uncond = uncond * (cond * uncond).sum() / (uncond * uncond).sum().clamp_min(torch.finfo(torch.float32).tiny)
    return uncond + scale * (cond - uncond)

"""

_ADAPT = """        if loaded[expert]:
            weights = [loras.get(name, 0.0) for name in loaded[expert]]
            model.set_adapters([f"{expert}_{number}" for number in range(1, len(weights) + 1)], weights)
"""

_LOOP = """
def velocity_of(model, hidden, timestep, text):
    return model(
        hidden_states=hidden.to(DTYPE), timestep=timestep, encoder_hidden_states=text, return_dict=False, **extra
    )[0].float()


with torch.no_grad():
    for index, (time, sigma, sigma_next, expert, guidance, forwards, loras) in enumerate(STEPS):
        model = EXPERTS[expert]
ADAPT        hidden = latents if channels is None else torch.cat([latents, channels], dim=1)
        timestep = torch.full((1,), time, dtype=torch.float32, device=DEVICE)
        velocity = torch.zeros_like(latents)
        if forwards:
            velocity = velocity_of(model, hidden, timestep, prompt)
        if forwards > 1:
            velocity = guided(velocity, velocity_of(model, hidden, timestep, negative), guidance)
        latents = step(index, velocity, latents)
        print(f"step {index + 1} of {len(STEPS)}: timestep {time:.1f}, {expert}, guidance {guidance}")
"""

_TAIL = """
mean = torch.tensor(vae.config.latents_mean, device=DEVICE).view(1, -1, 1, 1, 1)
std = torch.tensor(vae.config.latents_std, device=DEVICE).view(1, -1, 1, 1, 1)
with torch.no_grad():
    video = vae.decode(latents * std + mean, return_dict=False)[0]
frames = pipe.video_processor.postprocess_video(video, output_type="np")[0]
export_to_video(list(frames), "FILE", fps=FPS)
"""
