"""What `wayframe compare` gathers: subjects from anywhere, runs from a log, their videos, the noise floor."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path

from wayframe.core.comparison import Comparison, compare
from wayframe.core.diff import Filters
from wayframe.core.dossier import Clip, Dossier, LogFacts, VideoPair
from wayframe.core.impact import names_of
from wayframe.core.log_rules import LoggedKind, missing_kinds
from wayframe.core.subject import TO_RUN, Level, Subject, lora_name
from wayframe.errors import LogError, MediaError, PayloadError, SpecError
from wayframe.files import redact, redact_text
from wayframe.logs.reading import RunReader
from wayframe.logs.record import RunRecord, RunStatus
from wayframe.store.home import Home
from wayframe.workflow.clips import clip_of, noise_floor, video_pair
from wayframe.workflow.log_subjects import logged_subject
from wayframe.workflow.subjects import Reader, model_defaults

NOT_OF_A_RECORD = TO_RUN | {"plan", "video"}
MOST_CANDIDATES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """How to compare: filters, the command's own arguments (for the report), and what to look at besides records."""

    filters: Filters
    arguments: tuple[str, ...]
    videos: bool = True
    thumbnails: bool = False
    repeat: str | None = None
    keyframes: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is compared, and the log that it came from."""

    subjects: tuple[Subject, ...]
    log: LogFacts | None = None


def named_subjects(names: Sequence[str], *, home: Home, defaults: Path | None) -> Selection:
    """Subjects by name, as `Reader.read` takes them. Raises `InputError` or `StoreError`."""
    reader = Reader(home=home, defaults=model_defaults(defaults))
    return Selection(subjects=tuple(_without_secrets(_read(reader, name)) for name in names))


def _read(reader: Reader, name: str) -> Subject:
    """A subject; what is wrong in one of several files is said with the file's name."""
    try:
        return reader.read(name)
    except (SpecError, PayloadError) as error:
        if Path(name).name in error.field:
            raise
        raise type(error)(f"{name}: {error.field}", error.problem, error.value, fix=error.fix) from error


def _without_secrets(subject: Subject) -> Subject:
    """Records and logs hold none any more; what users wrote may."""
    if subject.kind not in NOT_OF_A_RECORD:
        return subject
    return replace(
        subject,
        values={level: redact(values) for level, values in subject.values.items()},
        pictures=tuple(redact_text(name) for name in subject.pictures),
        segments=tuple(
            replace(segment, values={level: redact(values) for level, values in segment.values.items()})
            for segment in subject.segments
        ),
    )


def last_completed(paths: Sequence[Path], *, last: int, defaults: Path | None) -> Selection:
    """The last completed runs of a log, in the order in which it completes them.

    Raises `LogError` when there are fewer, with the runs that there are and how they ended.
    """
    brought = model_defaults(defaults)
    kept: deque[RunRecord] = deque(maxlen=last)
    kinds: list[LoggedKind] = []
    for run in RunReader(paths):
        kinds.append(LoggedKind(name=_name(run), status=run.status.value, phases=_phases(run)))
        if run.status is RunStatus.COMPLETED:
            kept.append(run)
    files = tuple(str(path) for path in paths)
    if len(kept) < last:
        raise _too_few(kinds, files=files, last=last)
    source = files[0] if len(files) == 1 else "the logs"
    subjects = tuple(logged_subject(run, source=f"{source}#{_name(run)}", defaults=brought) for run in kept)
    return Selection(subjects=subjects, log=LogFacts(files=files, runs=tuple(kinds)))


def _name(run: RunRecord) -> str:
    return run.run_id or (run.orchestrator_task_id or "run")[:8]


def _phases(run: RunRecord) -> int | None:
    """The most phases that a segment of the run was sent; None where no line tells."""
    sent = [segment.applied.get("guidance_phases") for segment in run.segments if isinstance(segment.applied, dict)]
    return max((phases for phases in sent if isinstance(phases, int)), default=None)


def _too_few(kinds: Iterable[LoggedKind], *, files: tuple[str, ...], last: int) -> LogError:
    found = sorted(kinds, key=lambda kind: kind.status == RunStatus.COMPLETED.value)
    completed = sum(kind.status == RunStatus.COMPLETED.value for kind in found)
    names = [f"{kind.name} ({kind.status})" for kind in found]
    more = f" and {len(names) - MOST_CANDIDATES} more" if len(names) > MOST_CANDIDATES else ""
    candidates = f"nearest: {', '.join(names[:MOST_CANDIDATES])}{more}" if names else "it names no run at all"
    runs = f"{completed or 'no'} completed run{'' if completed == 1 else 's'}, {last} asked for"
    return LogError(", ".join(files), runs, fix=f"{candidates}; name runs as FILE#RUN to compare others")


def _watched(
    comparisons: Sequence[Comparison], *, options: CompareOptions
) -> tuple[tuple[Clip | None, ...], tuple[VideoPair | None, ...]]:
    """The videos of all subjects and of each pair; none where nobody wants to look at them."""
    subjects = (comparisons[0].a, *(comparison.b for comparison in comparisons))
    if not options.videos:
        return (None,) * len(subjects), (None,) * len(comparisons)
    try:
        clips = tuple(clip_of(subject, thumbnails=options.thumbnails) for subject in subjects)
        pairs = zip(comparisons, clips[1:], strict=True)
        return clips, tuple(video_pair(comparison.pairs, a=clips[0], b=clip) for comparison, clip in pairs)
    except MediaError as error:
        raise MediaError(f"{error}; --no-videos compares the records alone") from error


DERIVED_NAMES = frozenset({"keyframes", "steps", "timesteps", "experts", "guidance", "loras", "frames", "forwards"})


def _check_only(patterns: Sequence[str], subjects: Sequence[Subject]) -> None:
    if not patterns:
        return
    known = {"segments", *Level, *DERIVED_NAMES}
    for subject in subjects:
        for level in (*subject.values.values(), *(own for part in subject.segments for own in part.values.values())):
            known |= set(_keys(level))
    for pattern in patterns:
        name = (names_of(pattern) or [pattern])[-1]
        if not any(fnmatchcase(key, name) for key in known):
            near = get_close_matches(name, sorted(known), n=1)
            raise SpecError("--only", "no such name in what is compared", pattern, fix=_meant(near))


def _meant(near: Sequence[str]) -> str:
    return f"did you mean {near[0]}?" if near else "it is a level, or a name as the report writes it"


def _keys(value: object) -> Iterator[str]:
    """All names inside a value, those of LoRAs as a report writes them."""
    if isinstance(value, Mapping):
        yield from map(lora_name, value)
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    for part in inner:
        yield from _keys(part)


def gather(selection: Selection, *, home: Home, options: CompareOptions) -> Dossier:
    """Compare each subject with the first one, look at their videos, and put together what a report needs.

    Raises `SpecError` for a filter that keeps nothing that any of the subjects holds: all would look identical; and
    for a run to repeat where no two videos are compared.
    """
    first, *others = selection.subjects
    _check_only(options.filters.only, selection.subjects)
    comparisons = tuple(compare(first, other, filters=options.filters) for other in others)
    clips, videos = _watched(comparisons, options=options)
    repeated = options.repeat
    if repeated is not None and not any(videos):
        raise SpecError("--repeat", "no two of those compared have videos whose difference could be noise", repeated)
    return Dossier(
        comparisons=comparisons,
        filters=options.filters,
        arguments=options.arguments,
        clips=clips,
        videos=videos,
        noise=None if repeated is None else noise_floor(repeated, home=home, keyframes=options.keyframes),
        log=selection.log,
        findings=tuple(missing_kinds(selection.log.runs, comparisons[0])) if selection.log else (),
    )
