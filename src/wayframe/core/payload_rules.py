"""The rules behind findings about upstream payloads: repairs, contradictions, and what has no meaning here."""

from __future__ import annotations

from wayframe.core.findings import Severity, rule

PAYLOAD_OVERRULED = rule(
    "payload-overruled",
    Severity.WARNING,
    title="Two keys of the payload say different things",
    why="Payloads repeat themselves; the message names the key that counts, which is the one that upstream follows.",
    action="Nothing, when the winner is what was meant; else correct it in the spec.",
)
PAYLOAD_MODEL_PHASES = rule(
    "payload-model-phases",
    Severity.WARNING,
    title="The model's name and the phases do not fit",
    why="A name such as `..._2_2_2` stands for a set of phases, and the phase_config brings others, which win.",
    action="Judge the run by its phases, not by the model's name.",
)
PAYLOAD_MODEL_PRESET = rule(
    "payload-model-preset",
    Severity.WARNING,
    title="The model is of one kind, and a preset or model_type of another",
    why="LoRAs and phases of a VACE preset are trained for VACE's base model, not for I2V, and the reverse.",
    action="Choose the preset of the model's kind.",
)
PAYLOAD_LORA_IN_NO_PHASE = rule(
    "payload-lora-in-no-phase",
    Severity.WARNING,
    title="A LoRA is asked for and in no phase",
    why="With a phase_config only the LoRAs of its phases run; upstream does not apply the others, and nor do we.",
    action="Put the LoRA into the phases in which it shall run.",
)
PAYLOAD_LORA_TWICE = rule(
    "payload-lora-twice",
    Severity.WARNING,
    title="A LoRA stands twice in one phase",
    why="Upstream takes the first entry and passes over the others.",
    action="Leave one entry.",
)
PAYLOAD_LORA_SUMMED = rule(
    "payload-lora-summed",
    Severity.WARNING,
    title="A LoRA is named more than once",
    why="Upstream passes on every entry, and WanGP applies each: the strengths add up, and so they do in the plan.",
    action="Leave one entry, with the strength that is meant.",
)
PAYLOAD_LORA_UNNAMED = rule(
    "payload-lora-unnamed",
    Severity.WARNING,
    title="A LoRA has no address",
    why="An entry with an empty address names nothing; it is left out, as upstream does it.",
    action="Remove the entry, or name its LoRA.",
)
PAYLOAD_PHASE_NUMBERS = rule(
    "payload-phase-numbers",
    Severity.WARNING,
    title="The numbers of the phases contradict their order",
    why="Upstream takes phases in the order of their list and does not look at their numbers; so does this reading.",
    action="Put the phases into the order that is meant, or mend their numbers.",
)
PAYLOAD_ADVANCED = rule(
    "payload-advanced-mode",
    Severity.INFO,
    title="advanced_mode drops steps and amount_of_motion",
    why="In advanced mode the phases decide both.",
    action="Nothing.",
)
PAYLOAD_FRAMES = rule(
    "payload-frames-snapped",
    Severity.WARNING,
    title="A segment's length was moved to the model's frame grid",
    why="The model makes only lengths of 4n+1; upstream moves others, and so does this reading of its payload.",
    action="Ask for a length of 4n+1.",
)
PAYLOAD_OVERLAP = rule(
    "payload-overlap-changed",
    Severity.WARNING,
    title="An overlap was made even, or made to fit",
    why="Upstream uses even overlaps only, and none longer than the shorter of the two segments.",
    action="Ask for an even overlap that is shorter than both segments.",
)
PAYLOAD_OVERLAP_SURPLUS = rule(
    "payload-overlap-surplus",
    Severity.WARNING,
    title="More overlaps than joins",
    why="n segments have n-1 joins; upstream's page sends an overlap for each segment, and the last ones mean nothing.",
    action="Nothing; the surplus is not used.",
)
PAYLOAD_SURPLUS = rule(
    "payload-surplus",
    Severity.WARNING,
    title="A list has more values than there are segments, or names of LoRAs",
    why="The first values belong to them; upstream looks at no more.",
    action="Remove the surplus, or name what it belongs to.",
)
PAYLOAD_NO_OVERLAP = rule(
    "payload-chained-without-overlap",
    Severity.WARNING,
    title="Chained segments without a shared frame",
    why="A chained segment starts from the last frames of the one before; with overlap 0 there are none to start from.",
    action="Use an overlap of 2 or more, or independent segments.",
)
PAYLOAD_SIZE = rule(
    "payload-size-snapped",
    Severity.WARNING,
    title="The resolution was rounded down to the model's size grid",
    why="Upstream cuts both sides down to a multiple of 16 before it renders.",
    action="Ask for sides that are multiples of 16.",
)
PAYLOAD_LONE_KEYFRAME = rule(
    "payload-lone-keyframe",
    Severity.INFO,
    title="One picture has no timeline",
    why="A timeline places keyframes; a lone picture opens one segment of the given length.",
    action="Nothing.",
)
PAYLOAD_UNUSED_IMAGES = rule(
    "payload-images-unused",
    Severity.WARNING,
    title="More pictures than the segments need",
    why="n segments travel between n+1 pictures; upstream looks at no more.",
    action="Remove the pictures, or ask for more segments.",
)
PAYLOAD_NOT_STITCHED = rule(
    "payload-not-stitched",
    Severity.INFO,
    title="Upstream leaves these segments apart",
    why="Without chaining upstream makes no stitch: it delivers one video a segment. Here they are joined, and an "
    "overlap counts.",
    action="Import it and write overlap: 1 into the spec: then every join is a cut at the keyframe.",
)
PAYLOAD_CHAIN_IGNORED = rule(
    "payload-chaining-ignored",
    Severity.WARNING,
    title="Chaining is asked for and upstream does not chain this model",
    why="I2V segments without SVI are rendered independently by upstream, whatever chain_segments says.",
    action="Say chain_segments: false, or use a VACE model.",
)
PAYLOAD_CONTEXT_FRAMES = rule(
    "payload-context-frames",
    Severity.INFO,
    title="Upstream's worker of 2026 renders more frames than it is asked for",
    why="It lengthens a chained segment by the overlap and cuts those frames off again, so its video is longer than "
    "the one planned here by the sum of the overlaps.",
    action="Lengthen the segments by their overlaps if the longer video is wanted.",
)
PAYLOAD_CONTINUED = rule(
    "payload-continued-apart",
    Severity.INFO,
    title="Upstream puts the continued video in front of the new one",
    why="Its stitch takes the whole video that is continued as the first piece. Here a video is made that begins with "
    "the last frames of the other one, exactly.",
    action="Play the new video after the other one, without the frames that both have.",
)
PAYLOAD_SOLVER = rule(
    "payload-solver-read",
    Severity.WARNING,
    title="The solver's name was read as another one",
    why="WanGP gives an empty name the grid of unipc, dpm++_sde that of dpm++, and a name that it does not know even "
    "steps from 1000 to 1 without any shift.",
    action="Name euler, unipc or dpm++.",
)
PAYLOAD_MULTIPLIER = rule(
    "payload-multiplier-read",
    Severity.WARNING,
    title="LoRA strengths were filled in as WanGP does it",
    why="A LoRA without a strength runs at 1.0 throughout, and with fewer parts than phases one of them is repeated.",
    action="Write one part for each phase, such as `0.75;1.0;0`.",
)
PAYLOAD_PHASE_EMPTY = rule(
    "payload-phase-empty",
    Severity.WARNING,
    title="A phase gets no step",
    why="Thresholds and timesteps do not meet: no timestep lies in that phase, or nothing says where it begins.",
    action="Write a phase_config with the steps of each phase.",
)
PAYLOAD_ADDED = rule(
    "payload-added",
    Severity.WARNING,
    title="Upstream adds what nobody asked for",
    why="The model's definition, or amount_of_motion, brings phases, guidance and LoRAs along. They are planned, with "
    "the origin `automatic`.",
    action="Import with --like plain to plan what the payload says and no more.",
)
PAYLOAD_SEED = rule(
    "payload-seed-random",
    Severity.WARNING,
    title="The payload asks for a random seed",
    why="A negative seed lets upstream draw one, so that no run can be repeated. The plan uses 0.",
    action="Set a seed.",
)
PAYLOAD_PROMPT = rule(
    "payload-prompt-not-enhanced",
    Severity.WARNING,
    title="Upstream would let a language model write these prompts anew",
    why="enhance_prompt is on and the payload holds no enhanced prompt for the segment. Here a model writes the "
    "prompts that are missing, and one that is given stays.",
    action="Import it and write `prompts: {write: all}` into the spec to have those written, too.",
)
PAYLOAD_SECRET = rule(
    "payload-secret-removed",
    Severity.WARNING,
    title="The payload held a secret",
    why="Keys and tokens are never kept or written; whoever has the payload's file has the secret too.",
    action="Remove it from the file, and renew it when others could read the file.",
)
PAYLOAD_UNSUPPORTED = rule(
    "payload-key-unsupported",
    Severity.WARNING,
    title="The payload asks for something that is not done here",
    why="Upstream acts on this key; the plan does not. The key is kept and given back by an export.",
    action="Nothing, when the effect is not needed; --strict makes it an error.",
)
PAYLOAD_UNKNOWN = rule(
    "payload-key-unknown",
    Severity.WARNING,
    title="The payload has a key that is not known",
    why="Nothing is known of its effect upstream. An export gives it back, unless it stood inside a phase_config.",
    action="Look for a misspelled key; --strict makes it an error.",
)
PAYLOAD_CARRIED = rule(
    "payload-keys-carried",
    Severity.INFO,
    title="Keys without an effect on the video are carried along",
    why="Identities, folders and settings of upstream's page mean nothing to a plan; an export gives them back.",
    action="Nothing.",
)
KEYFRAME_REMOTE = rule(
    "keyframe-remote",
    Severity.INFO,
    title="A keyframe is known by its address only",
    why="Its size is taken to be the output's and its digest is made of the address, so content keys are provisional.",
    action="Plan without --offline, so that it is fetched, or name the folder that holds it with --keyframes.",
)
LORA_BY_NAME = rule(
    "lora-by-name",
    Severity.INFO,
    title="A LoRA of a payload is known by its name only",
    why="It lies in the folder of upstream's worker and not here. Its digest is made of its name, so content keys are "
    "provisional, and an engine that denoises cannot run it.",
    action="Put the file beside the payload or the spec before a run that denoises.",
)
