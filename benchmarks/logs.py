"""Reading runs out of a large log: megabytes per CPU second and memory, beside `grep -c` and a plain line loop.

    python benchmarks/logs.py            1 GB, as the target says
    python benchmarks/logs.py --quick    100 MB

The log is made here, in the shape and the mix of upstream's: claims with the whole payload three times over, blocks of
engine parameters, and the chatter between; every run has ids, prompts and seeds of its own. All three readers run in
this process or under it, on the same file.
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from wayframe.logs import RunReader

MEGABYTE = 1_000_000
TARGET_SPEED, TARGET_MEMORY = 40.0, 300.0


def main() -> None:
    """Make the log, read it three ways, print the figures and hold them against the targets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 MB instead of 1 GB")
    parser.add_argument("--megabytes", type=int, default=0)
    options = parser.parse_args()
    size = (options.megabytes or (100 if options.quick else 1000)) * MEGABYTE
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "debug_20251103_090000.log"
        made = write_log(path, size)
        report(path, made)


def report(path: Path, made: int) -> None:
    megabytes = path.stat().st_size / MEGABYTE
    base = memory()
    runs, seconds = timed(lambda: read_runs(path))
    peak = memory()
    matches, grep = grep_count(path)
    _, loop = timed(lambda: line_loop(path))
    speed = megabytes / seconds
    print(f"log: {megabytes:.0f} MB, {made} runs, {matches} lines with parameters")
    print(f"wayframe: {speed:.1f} MB per CPU second, {runs} runs, peak {peak:.0f} MB of memory ({base:.0f} before)")
    print(f"grep -c:  {megabytes / grep:.1f} MB per CPU second; wayframe takes {seconds / grep:.1f} times as long")
    print(
        f"for line in file: {megabytes / loop:.1f} MB per CPU second; wayframe takes {seconds / loop:.2f} times as long"
    )
    assert runs == made, "every run is found"
    assert speed >= TARGET_SPEED, f"{speed:.1f} MB per CPU second, the target is {TARGET_SPEED:.0f}"
    assert peak <= TARGET_MEMORY, f"{peak:.0f} MB, the target is {TARGET_MEMORY:.0f}"


def read_runs(path: Path) -> int:
    reader = RunReader([path])
    count = sum(run.status == "completed" for run in reader)
    assert reader.unread_lines == 0
    return count


def line_loop(path: Path) -> int:
    with path.open(encoding="utf-8") as stream:
        return sum("[FINAL_PARAMS]" in line for line in stream)


def grep_count(path: Path) -> tuple[int, float]:
    grep = shutil.which("grep")
    assert grep, "the comparison needs grep"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([grep, "-c", "FINAL_PARAMS", str(path)], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int(done.stdout), max(1e-6, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def timed(work: object) -> tuple[int, float]:
    before = time.process_time()
    result = work() if callable(work) else 0
    return result, time.process_time() - before


def memory() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MEGABYTE


class Dice(random.Random):
    """Repeatable chance."""


def write_log(path: Path, size: int) -> int:
    """Write runs until the file is large enough; gives how many."""
    dice, runs, written = Dice(7), 0, 0
    with path.open("w", encoding="utf-8") as stream:
        stream.write("[09:00:00] INFO HEADLESS All output will be saved\n")
        while written < size:
            text = "\n".join(run_lines(dice, runs)) + "\n"
            stream.write(text)
            written += len(text)
            runs += 1
    return runs


class Times:
    """Stamps that go on by a few milliseconds each."""

    def __init__(self, number: int) -> None:
        self._now = 1_762_160_400.0 + number * 600

    def debug(self, text: str) -> str:
        self._now += 0.003
        whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self._now))
        return f"[DEBUG {whole}.{int(self._now % 1 * 1e6):06d}] {text}"

    def timed(self, text: str) -> str:
        return f"[{time.strftime('%H:%M:%S', time.gmtime(self._now))}] {text}"

    def queue(self, text: str) -> str:
        whole = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(self._now))
        return f"{whole},{int(self._now % 1 * 1e3):03d} [INFO] HeadlessQueue: {text}"


def run_lines(dice: Dice, number: int) -> Iterator[str]:
    at, count = Times(number), dice.randint(2, 5)
    ids = [str(UUID(int=dice.getrandbits(128), version=4)) for _ in range(count + 2)]
    orchestrator, stitch, segments = ids[0], ids[1], ids[2:]
    payload = payload_of(dice, number, count)
    yield from claim(at, orchestrator, "travel_orchestrator", {"orchestrator_details": payload})
    yield at.timed(f"INFO TRAVEL [Task {orchestrator}] Starting travel orchestrator task")
    yield at.debug(f"[FRAME_DEBUG] Orchestrator {orchestrator}: QUANTIZATION ANALYSIS")
    yield at.debug(f"[FRAME_DEBUG] Quantized segment_frames: {payload['segment_frames_expanded']}")
    for index, task in enumerate(segments):
        yield from (at.debug(f"Task seg_{index}_{orchestrator[:8]}: Extracted parameter {step}") for step in range(30))
        yield f"Task {task} (Type: travel_segment) queued via Edge Function."
        yield at.debug(f"[DEBUG_DEPENDENCY_CHAIN] New segment {index} created with actual DB ID: {task}; next")
    yield f"Task {stitch} (Type: travel_stitch) queued via Edge Function."
    told = f"Successfully enqueued {count} new segment tasks and 1 new stitch task for run x."
    yield f"Orchestrator {orchestrator}: {told}"
    for index, task in enumerate(segments):
        yield from segment_lines(dice, at, task, parameters(dice, payload, orchestrator, index))
    yield from claim(at, stitch, "travel_stitch", parameters(dice, payload, orchestrator, None))
    yield from chatter(at, 150)
    yield at.timed(f"✅ HEADLESS [Task {stitch}] Task completed successfully: /out/travel_final.mp4")


def claim(at: Times, task: str, kind: str, params: dict[str, object]) -> Iterator[str]:
    whole = {"task_id": task, "params": params, "task_type": kind, "project_id": "a-project"}
    yield from chatter(at, 8)
    yield at.debug(f"Edge Function claimed task: {whole}")
    yield at.debug(f"Supabase task_info: {whole}")


def payload_of(dice: Dice, number: int, count: int) -> dict[str, object]:
    lora = "https://huggingface.co/example/loras/resolve/main/some-folder-of-loras/{}_noise_model.safetensors"
    phases = [
        {
            "phase": at,
            "guidance_scale": 3 if at == 1 else 1,
            "loras": [{"url": lora.format(name), "multiplier": "0.75"}],
        }
        for at, name in enumerate(("high", "high", "low"), 1)
    ]
    prompts = [f"scene {dice.getrandbits(40):x}, the camera moves slowly over the 'water'" for _ in range(count)]
    return {
        "steps": 6,
        "run_id": f"20251103{number:09d}",
        "seed_base": dice.randint(1, 99999),
        "model_name": "invented_model_2_2_2",
        "openai_api_key": "sk-invented-0123456789abcdef",
        "phase_config": {"phases": phases, "flow_shift": 5, "num_phases": 3, "steps_per_phase": [2, 2, 2]},
        "base_prompts_expanded": prompts,
        "negative_prompts_expanded": ["cut, blurry"] * count,
        "segment_frames_expanded": [61] * count,
        "frame_overlap_expanded": [6] * (count - 1),
        "num_new_segments_to_generate": count,
        "fade_in_params_json_str": '{"low_point":0.0,"high_point":1.0,"curve_type":"ease_in_out","factor":0.0}',
        "input_image_paths_resolved": [
            f"http://127.0.0.1:5/storage/v1/object/public/image_uploads/files/{dice.getrandbits(128):032x}.jpeg"
            for _ in range(count + 1)
        ],
        **{f"some_setting_number_{at}": dice.choice([0.0, 1.0, False, None, "value"]) for at in range(30)},
    }


def parameters(dice: Dice, payload: dict[str, object], orchestrator: str, index: int | None) -> dict[str, object]:
    return {
        "base_prompt": f"scene {dice.getrandbits(40):x}, walking towards the camera",
        "seed_to_use": dice.randint(1, 99999),
        **({} if index is None else {"segment_index": index}),
        "phase_config": payload["phase_config"],
        "orchestrator_run_id": payload["run_id"],
        "orchestrator_details": payload,
        "orchestrator_payload": payload,
        "full_orchestrator_payload": payload,
        "orchestrator_task_id_ref": orchestrator,
        **{f"segment_setting_number_{at}": dice.choice([0.0, 6, False, None, "value"]) for at in range(30)},
    }


def segment_lines(dice: Dice, at: Times, task: str, params: dict[str, object]) -> Iterator[str]:
    yield from claim(at, task, "travel_segment", params)
    yield from chatter(at, 120)
    yield at.queue(f"GenerationWorker-0 executing generation for task travel_seg_{task} (model: invented)")
    yield from (
        at.timed(f"DEBUG GENERATION Task override some_setting_{step}: NOT_SET → {step}") for step in range(120)
    )
    yield at.timed("INFO GENERATION " + "=" * 80)
    sent = {"prompt": params["base_prompt"], "seed": params["seed_to_use"], "loras_multipliers": "0.75,0.0"}
    sent |= {f"engine_setting_{step}": dice.choice([0, 1.0, None, "", "auto"]) for step in range(80)}
    yield from (at.timed(f"INFO GENERATION [FINAL_PARAMS] {key}: {value}") for key, value in sorted(sent.items()))
    yield at.timed("INFO GENERATION " + "=" * 80)
    yield from (f"⏳ Progress: {step * 16}% - Prompt 1/1 | Denoising | {step}/6" for step in range(1, 7))
    yield at.queue(f"GenerationWorker-0 generation completed for task travel_seg_{task}: /out/x.mp4")
    yield at.timed(f"✅ HEADLESS [Task {task}] Task completed successfully: /out/seg.mp4")


def chatter(at: Times, lines: int) -> Iterator[str]:
    for _ in range(lines):
        yield at.debug("Checking for queued tasks in Supabase (PostgreSQL backend) table tasks via Supabase RPC...")


if __name__ == "__main__":
    main()
