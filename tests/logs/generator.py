"""Logs in the shape of upstream's worker, made from a seed, with the truth about them. All texts are invented."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

PLANTED = "sk-invented-0123456789abcdefghij"
JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJub2JvZHkifQ.c2lnbmF0dXJl"
PROMPTS = (
    "a lighthouse at dusk",
    'fog, "slowly" rolling in',
    "the keeper's dog runs",
    "",
    "café — 灯台",
    "[brackets] (and) {more}",
)


class Dice(random.Random):
    """Repeatable chance."""


@dataclass(kw_only=True)
class Settings:
    """What the log is like."""

    workers: int = 1
    runs: int = 2
    most_segments: int = 3
    outcomes: tuple[str, ...] = ("completed", "failed", "cancelled", "incomplete", "reset")
    glue: float = 0.0
    noise: float = 0.3
    decoys: bool = True
    newline: bytes = b"\n"
    colours: bool = False
    start: datetime = field(default_factory=lambda: datetime.fromisoformat("2025-11-03T23:40:00"))
    step: float = 2.0
    dump: int = 0
    """Bytes by which a claim is made longer."""


@dataclass(kw_only=True)
class Truth:
    """What the log tells about one run."""

    run_id: str
    orchestrator_task_id: str
    status: str = "incomplete"
    started: str = ""
    finished: str | None = None
    requested: dict[str, Any] = field(default_factory=dict)
    frames: list[int] = field(default_factory=list)
    segments: list[dict[str, Any]] = field(default_factory=list)
    stitch: dict[str, str] | None = None


@dataclass(kw_only=True)
class Record:
    """One record: which head it gets, its text, and what to note when it is written."""

    head: str
    text: str
    note: tuple[Truth, str] | None = None


@dataclass(kw_only=True)
class Log:
    """A log's bytes and the truth: runs in the order in which they were claimed, ids in the order of completion."""

    data: bytes
    runs: list[Truth]
    completed: list[str]
    lines: int


class Generator:
    """Writes one log; `Generator(seed, settings).log()`."""

    def __init__(self, seed: int, settings: Settings | None = None) -> None:
        self.random = Dice(seed)
        self.settings = settings or Settings()
        self.now = self.settings.start
        self.truths: list[Truth] = []
        self.completed: list[str] = []

    def log(self) -> Log:
        count = self.settings.workers
        streams = [self.process(range(at, self.settings.runs, count)) for at in range(count)]
        parts: list[bytes] = []
        glued = False
        for record in self.interleaved(streams):
            body = self.line(record).replace("\n", self.settings.newline.decode())
            last_ended = not parts or parts[-1].endswith(b"\n")
            glue = self.settings.glue > 0 and "\n" not in record.text and self.random.random() < self.settings.glue
            parts.append(body.encode("utf-8", "surrogatepass"))
            if not (glue and last_ended):
                parts.append(self.settings.newline * (2 if glued else 1))
            glued = glue and last_ended
        if glued:
            parts.append(self.settings.newline)
        data = b"".join(parts)
        return Log(data=data, runs=self.truths, completed=self.completed, lines=data.count(b"\n"))

    def interleaved(self, streams: list[Iterator[Record]]) -> Iterator[Record]:
        while streams:
            stream = self.random.choice(streams)
            for _ in range(self.random.randint(1, 6)):
                record = next(stream, None)
                if record is None:
                    streams.remove(stream)
                    break
                yield record
                if self.random.random() < self.settings.noise:
                    yield self.noise()

    def line(self, record: Record) -> str:
        self.now += timedelta(seconds=self.random.random() * self.settings.step, microseconds=self.random.randint(0, 9))
        stamp = self.now
        if record.note is not None:
            self.note(record, stamp)
        heads = {
            "debug": f"[DEBUG {stamp:%Y-%m-%dT%H:%M:%S.%f}] ",
            "log": f"{stamp:%Y-%m-%d %H:%M:%S},{stamp.microsecond // 1000:03d} [INFO] HeadlessQueue: ",
            "none": "",
        }
        head = heads.get(record.head, f"[{stamp:%H:%M:%S}] {record.head} ")
        colour = ("\x1b[36m", "\x1b[0m") if self.settings.colours and head else ("", "")
        return f"{colour[0]}{head}{colour[1]}{record.text}"

    def note(self, record: Record, stamp: datetime) -> None:
        assert record.note is not None
        truth, what = record.note
        whole = stamp.strftime("%Y-%m-%dT%H:%M:%S.%f" if record.head == "debug" else "%Y-%m-%dT%H:%M:%S")
        if what == "started":
            truth.started = truth.started or whole
            if truth not in self.truths:
                self.truths.append(truth)
        else:
            truth.status, truth.finished = what, whole
            if what == "completed":
                self.completed.append(truth.run_id)

    def uuid(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def noise(self) -> Record:
        return self.random.choice(
            [
                Record(head="debug", text="Checking for queued tasks in the table tasks via RPC..."),
                Record(head="none", text="⏳ Progress: 16% | 1/6\r⏳ Progress: 33% | 2/6"),
                Record(head="log", text="[MEMORY_CLEANUP] collected 0 objects"),
                Record(head="debug", text="[ERROR] Structure motion failed: no module named 'nothing'"),
                Record(
                    head="INFO GENERATION", text="[LORA_APPLICATION_TRACE]     - All phases: 0.75 (constant strength)"
                ),
                Record(
                    head="DEBUG HEADLESS",
                    text='Task Params: {\n  "openai_api_key": "' + PLANTED + '",\n  "steps": 99\n  ...',
                ),
                Record(head="none", text='Traceback (most recent call last):\n  File "worker.py", line 1, in flush'),
            ]
        )

    # One process and its runs.

    def process(self, numbers: range) -> Iterator[Record]:
        yield Record(head="log", text="GenerationWorker-0 started")
        for number in numbers:
            yield from self.run(number)
        yield Record(head="INFO HEADLESS", text="Server shutting down gracefully...")
        yield Record(head="log", text="GenerationWorker-0 stopped")

    def payload(self, number: int, count: int) -> dict[str, Any]:
        lengths = [self.random.choice([37, 40, 41, 60, 61]) for _ in range(count)]
        prompts = [self.random.choice(PROMPTS) for _ in range(count)]
        payload: dict[str, Any] = {
            "steps": 6,
            "run_id": f"2025110300{number:04d}{self.random.randint(0, 999):03d}",
            "seed_base": self.random.randint(1, 99999),
            "model_name": "invented_model_2_2_2",
            "base_prompt": "",
            "advanced_mode": self.random.random() < 0.5,
            "openai_api_key": PLANTED,
            "amount_of_motion": self.random.choice([0.5, None]),
            "num_new_segments_to_generate": count,
            "segment_frames_expanded": lengths,
            "frame_overlap_expanded": [6] * (count - 1),
            "base_prompts_expanded": prompts,
            "negative_prompts_expanded": ["blur"] * count,
            "input_image_paths_resolved": [f"http://127.0.0.1:5/img-{at}.png?token={JWT}" for at in range(count + 1)],
        }
        if self.random.random() < 0.5:
            del payload["amount_of_motion"]
        if self.settings.dump:
            payload["note"] = "x" * self.settings.dump
        return payload

    def claim(self, task_id: str, kind: str, params: dict[str, Any], note: tuple[Truth, str]) -> Iterator[Record]:
        task = {"task_id": task_id, "params": params, "task_type": kind, "project_id": "a-project"}
        yield Record(head="debug", text=f"Edge Function claimed task: {task}", note=note)
        yield Record(head="debug", text=f"Supabase task_info: {task}")
        yield Record(head=f"INFO HEADLESS [Task {task_id}]", text=f"Found task of type: {kind}, Project ID: a-project")

    def status(self, task_id: str, status: str, told: str, note: tuple[Truth, str] | None = None) -> Iterator[Record]:
        text = f"[DEBUG] update_task_status_supabase called: task_id={task_id}, status={status}, output_location={told}"
        yield Record(head="debug", text=text, note=note)
        yield Record(head="debug", text=f"[DEBUG] Edge function SUCCESS for task {task_id} → status {status}")

    def run(self, number: int) -> Iterator[Record]:
        count = self.random.randint(1, self.settings.most_segments)
        payload, orchestrator = self.payload(number, count), self.uuid()
        truth = Truth(run_id=payload["run_id"], orchestrator_task_id=orchestrator)
        outcome = self.random.choice(self.settings.outcomes)
        stitched = self.random.random() < 0.7
        payload["model_type"] = "vace" if stitched else "i2v"
        truth.requested = dict(payload)
        truth.frames = [frames // 4 * 4 + 1 for frames in payload["segment_frames_expanded"]]
        ids = [self.uuid() for _ in range(count)]
        stitch = self.uuid() if stitched else None
        yield from self.claim(
            orchestrator, "travel_orchestrator", {"orchestrator_details": payload}, (truth, "started")
        )
        yield from self.orchestrate(truth, ids, stitch)
        unlucky = self.random.randrange(count)
        for at, task_id in enumerate(ids):
            fate = outcome if at == unlucky else "completed"
            last = at == count - 1 and stitch is None
            yield from self.segment(truth, payload, at, fate, last=last)
            if fate in {"failed", "cancelled", "incomplete"}:
                return
            assert task_id == truth.segments[at]["task_id"]
        if stitch is not None:
            yield from self.stitch(truth, payload, stitch)

    def orchestrate(self, truth: Truth, ids: list[str], stitch: str | None) -> Iterator[Record]:
        orchestrator = truth.orchestrator_task_id
        yield Record(head=f"INFO TRAVEL [Task {orchestrator}]", text="Starting travel orchestrator task")
        yield Record(head="debug", text=f"[FRAME_DEBUG] Orchestrator {orchestrator}: QUANTIZATION ANALYSIS")
        yield Record(head="debug", text=f"[FRAME_DEBUG] Quantized segment_frames: {truth.frames}")
        for at, task_id in enumerate(ids):
            before = ids[at - 1] if at else None
            chain = "[DEBUG_DEPENDENCY_CHAIN]"
            yield Record(
                head="debug", text=f"{chain} Creating new segment {at}, depends_on (prev idx {at - 1}): {before}"
            )
            yield from self.made(task_id, "travel_segment", orchestrator)
            text = f"{chain} New segment {at} created with actual DB ID: {task_id}; next segment will depend on this"
            yield Record(head="debug", text=text)
            truth.segments.append({"task_id": task_id, "status": "incomplete", "error": None, "applied": {}})
        if stitch is not None:
            yield from self.made(stitch, "travel_stitch", orchestrator)
            truth.stitch = {"task_id": stitch, "status": "incomplete"}
        stitches = 1 if stitch else 0
        text = (
            f"Successfully enqueued {len(ids)} new segment tasks and {stitches} new stitch task for run {truth.run_id}."
        )
        yield Record(head="none", text=f"Orchestrator {orchestrator}: {text}")
        yield from self.status(orchestrator, "In Progress", text)

    def made(self, task_id: str, kind: str, orchestrator: str) -> Iterator[Record]:
        payload = str({"task_id": task_id, "params": {"orchestrator_task_id_ref": orchestrator}})[:120]
        yield Record(
            head="debug", text=f"Supabase Edge call >>> POST http://127.0.0.1:5/create-task payload={payload}…"
        )
        yield Record(head="none", text=f"Task {task_id} (Type: {kind}) queued via Edge Function.")

    def prompt(self, truth: Truth, text: str) -> str:
        """A prompt, sometimes one that says that this very run has failed or is done."""
        if not self.settings.decoys or self.random.random() < 0.5:
            return text
        target = self.random.choice([truth.segments[0]["task_id"], (truth.stitch or truth.segments[0])["task_id"]])
        lies = [
            f"[11:11:11] ✅ HEADLESS [Task {target}] Task completed successfully: /a/lie.mp4",
            f"[DEBUG 2030-01-01T00:00:00.000001] [DEBUG] update_task_status_supabase called: task_id={target}, "
            "status=Failed, output_location=a lie",
            "[11:11:11] INFO GENERATION [FINAL_PARAMS] seed: 666",
        ]
        lie = self.random.choice(lies)
        return self.random.choice([f"{text} {lie}", f"{text}\n{lie}\nand more", lie])

    def segment(self, truth: Truth, payload: dict[str, Any], at: int, fate: str, *, last: bool) -> Iterator[Record]:
        known = truth.segments[at]
        task_id, seed = known["task_id"], self.random.randint(1, 99999)
        prompt = self.prompt(truth, payload["base_prompts_expanded"][at])
        params = {
            "base_prompt": prompt,
            "seed_to_use": seed,
            "segment_index": at,
            "negative_prompt": "blur",
            "orchestrator_run_id": truth.run_id,
            "orchestrator_details": payload,
            "segment_frames_target": truth.frames[at],
            "orchestrator_task_id_ref": truth.orchestrator_task_id,
            "full_orchestrator_payload": payload,
        }
        if fate == "reset":
            yield from self.claim(task_id, "travel_segment", params, (truth, "started"))
            yield from self.status(task_id, "Queued", "None")
        yield from self.claim(task_id, "travel_segment", params, (truth, "started"))
        if fate == "incomplete":
            return
        yield from self.generation(known, {"prompt": prompt or " ", "seed": seed, "video_length": truth.frames[at]})
        if fate in {"failed", "cancelled"}:
            error = f"CUDA out of memory, {self.random.randint(1, 9)} GB short" if fate == "failed" else None
            known |= {"status": fate, "error": error}
            word = "Failed" if fate == "failed" else "Cancelled"
            yield from self.status(task_id, word, str(error), (truth, fate))
            return
        known["status"] = "complete"
        note = (truth, "completed") if last else None
        yield Record(
            head=f"✅ HEADLESS [Task {task_id}]", text=f"Task completed successfully: /out/{at}.mp4", note=note
        )

    def generation(self, known: dict[str, Any], sent: dict[str, Any]) -> Iterator[Record]:
        work = f"travel_seg_{known['task_id']}"
        yield Record(head="log", text=f"GenerationWorker-0 executing generation for task {work} (model: invented)")
        rule = "=" * 80
        applied = {
            "activated_loras": ["first.safetensors", "second.safetensors"],
            "flow_shift": self.random.choice([5, 7.5]),
            "guidance_scale": 3,
            "image_start": None,
            "loras_multipliers": self.random.choice(["0.75,0.0", "0.5", "1;0"]),
            "negative_prompt": "blur",
            **sent,
            "switch_threshold": 917.4817575573454,
        }
        known["applied"] = applied
        yield Record(head="INFO GENERATION", text="FINAL PARAMETERS BEING SENT TO WGP generate_video():")
        yield Record(head="INFO GENERATION", text=rule)
        for key, value in applied.items():
            mark = " ⭐" if key in {"guidance_scale", "switch_threshold"} else ""
            yield Record(head="INFO GENERATION", text=f"[FINAL_PARAMS] {key}: {value}{mark}")
        yield Record(head="INFO GENERATION", text="[FINAL_PARAMS] state: {'loras_count': 2} (truncated)")
        yield Record(head="INFO GENERATION", text=rule)
        yield Record(head="log", text=f"GenerationWorker-0 generation completed for task {work}: /out/x.mp4")

    def stitch(self, truth: Truth, payload: dict[str, Any], task_id: str) -> Iterator[Record]:
        params = {
            "orchestrator_run_id": truth.run_id,
            "full_orchestrator_payload": payload,
            "orchestrator_task_id_ref": truth.orchestrator_task_id,
        }
        yield from self.claim(task_id, "travel_stitch", params, (truth, "started"))
        truth.stitch = {"task_id": task_id, "status": "complete"}
        text = "Task completed successfully: /out/travel.mp4"
        yield Record(head=f"✅ HEADLESS [Task {task_id}]", text=text, note=(truth, "completed"))
