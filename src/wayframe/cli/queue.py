"""Commands over the queue: submit, follow, cancel, resume, retry, redo, queue, rm, gc."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wayframe.cli.database import DatabaseOption
from wayframe.cli.options import (
    AllowPrivateOption,
    EngineOptions,
    HomeOption,
    JsonOption,
    LikeOption,
    OfflineOption,
    StrictOption,
    spec_flags,
)
from wayframe.cli.places import StoreOption, Where
from wayframe.cli.trips import (
    Difference,
    DifferenceOption,
    EventsOption,
    ForceOption,
    Given,
    Manner,
    OutOption,
    PicturesOption,
    PlanOption,
    QuietOption,
    SourcesOption,
    VideoOption,
)
from wayframe.core.payload_like import Like

if TYPE_CHECKING:
    from datetime import timedelta

    from wayframe.store.artifacts import ArtifactStore
    from wayframe.workflow.queue.client import QueueClient, SubmitOptions
    from wayframe.workflow.queue.rows import RunRow
    from wayframe.workflow.run import RunResult
    from wayframe.workflow.trip import Trip

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, its beginning, or `last`.")]
PriorityOption = Annotated[
    int, typer.Option("--priority", min=-100, max=100, help="Higher is earlier; equal ones in their order.")
]
FollowOption = Annotated[bool, typer.Option("--follow", "-f", help="Go on to follow it.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (submit, follow, cancel, resume, retry, redo, queue):
        app.command()(command)
    app.command("rm")(remove)
    app.command("gc")(collect)


@spec_flags
def submit(
    *,
    words: dict[str, Any],
    sources: SourcesOption = None,
    plan: PlanOption = None,
    video: VideoOption = None,
    keyframes: PicturesOption = None,
    name: Annotated[
        str | None,
        typer.Option("--id", help="A name of your own; the same plan under it is the same run.", show_default=False),
    ] = None,
    priority: PriorityOption = 0,
    batch: Annotated[int, typer.Option("--batch", min=0, help="Segments that a worker gets at a time; 0: any.")] = 0,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Make the other segments when one fails, then fail.")
    ] = False,
    like: LikeOption = Like.PLAIN,
    strict: StrictOption = False,
    offline: OfflineOption = False,
    allow_private: AllowPrivateOption = False,
    option: EngineOptions = None,
    on_difference: DifferenceOption = Difference.STOP,
    follow: FollowOption = False,
    out: OutOption = None,
    force: ForceOption = False,
    quiet: QuietOption = False,
    json_events: EventsOption = False,
    database: DatabaseOption = None,
    store: StoreOption = None,
    home: HomeOption = None,
) -> None:
    """Queue a video for the workers, and print its run's id; the terminal may close."""
    given = Given(
        sources=sources or [],
        words=words,
        plan=plan,
        video=video,
        keyframes=keyframes,
        like=like,
        strict=strict,
        options=option or [],
        offline=offline,
        allow_private=allow_private,
    )
    if out is not None and not follow:
        raise typer.BadParameter("is the place of a finished video; add --follow", param_hint="--out")
    make = given.maker(home)
    manner = Manner(out=out, force=force, show=_show(quiet=quiet, json=json_events), on_difference=on_difference)
    with Where(database=database, store=store, home=home).client() as client:
        options = _options(manner, name=name, priority=priority, batch=batch, keep_going=keep_going)
        row = _submitted(client, make, manner=manner, options=options)
        if follow:
            _followed(client, row, manner=manner)
            return
        typer.echo(row.run_id)
        if not quiet:
            typer.echo(f"{_size(row)} for {row.capability}; next: wayframe follow {row.run_id}", err=True)


def follow(
    run: RunArgument,
    out: OutOption = None,
    force: ForceOption = False,
    quiet: QuietOption = False,
    json_events: EventsOption = False,
    database: DatabaseOption = None,
    store: StoreOption = None,
    home: HomeOption = None,
) -> None:
    """Watch a run until it ends, then fetch its files; Ctrl-C leaves the run alone."""
    manner = Manner(out=out, force=force, show=_show(quiet=quiet, json=json_events))
    with Where(database=database, store=store, home=home).client() as client:
        _followed(client, client.place.runs.get(run), manner=manner)


def cancel(
    run: RunArgument, database: DatabaseOption = None, store: StoreOption = None, home: HomeOption = None
) -> None:
    """Stop a run; what is rendered is kept."""
    with Where(database=database, store=store, home=home).client() as client:
        row = client.cancel(run)
    typer.echo(f"run {row.run_id} is cancelled; wayframe resume {row.run_id} goes on with it")


def resume(
    run: RunArgument,
    follow: FollowOption = False,
    database: DatabaseOption = None,
    store: StoreOption = None,
    home: HomeOption = None,
) -> None:
    """Go on with a run that was cancelled."""
    with Where(database=database, store=store, home=home).client() as client:
        _again(client, client.resume(run), follow=follow)


def retry(
    run: RunArgument,
    follow: FollowOption = False,
    database: DatabaseOption = None,
    store: StoreOption = None,
    home: HomeOption = None,
) -> None:
    """Try what is missing of a run that failed once more."""
    with Where(database=database, store=store, home=home).client() as client:
        _again(client, client.retry(run), follow=follow)


def redo(
    run: RunArgument,
    segment: Annotated[int, typer.Option("--segment", min=0, help="Which one; the first is 0.")],
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Its seed; without any change one is drawn.", show_default=False)
    ] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", help="What happens in it.", show_default=False)] = None,
    negative_prompt: Annotated[
        str | None, typer.Option("--negative-prompt", help="What does not.", show_default=False)
    ] = None,
    motion: Annotated[
        float | None, typer.Option("--motion", min=0, max=1, help="Camera motion, 0 to 1.", show_default=False)
    ] = None,
    follow: FollowOption = False,
    out: OutOption = None,
    force: ForceOption = False,
    database: DatabaseOption = None,
    store: StoreOption = None,
    home: HomeOption = None,
) -> None:
    """Make one segment of a run again in another way: a new run, which finds all that stays as it was."""
    if out is not None and not follow:
        raise typer.BadParameter("is the place of a finished video; add --follow", param_hint="--out")
    with Where(database=database, store=store, home=home).client() as client:
        from wayframe.core.wording import counted, ranges
        from wayframe.workflow.queue.redo import Redo

        change = Redo(
            segment=segment, seed=seed, prompt=prompt, negative_prompt=negative_prompt, amount_of_motion=motion
        )
        row, made = client.redo(run, change=change)
        typer.echo(row.run_id)
        told = f"revision {row.revision} of {row.revision_of}: {counted(len(made), 'segment')} made again"
        typer.echo(f"{told} ({ranges(made)}); next: wayframe follow {row.run_id}", err=True)
        if follow:
            _followed(client, row, manner=Manner(out=out, force=force, show="text"))


def queue(
    json: JsonOption = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many open runs are listed.")] = 30,
    move: Annotated[str | None, typer.Option("--move", metavar="RUN", help="Give a run --priority.")] = None,
    priority: PriorityOption = 0,
    pause: Annotated[bool, typer.Option("--pause", help="Have all workers finish and take no more.")] = False,
    unpause: Annotated[bool, typer.Option("--unpause", help="Have them go on.")] = False,
    drain: Annotated[
        str | None, typer.Option("--drain", metavar="WORKER", help="Have one worker finish and take no more.")
    ] = None,
    undrain: Annotated[
        str | None, typer.Option("--undrain", metavar="WORKER", help="Have a drained worker take work again.")
    ] = None,
    database: DatabaseOption = None,
    store: StoreOption = None,
    home: HomeOption = None,
) -> None:
    """Show what runs where, what waits and why, and who works; or change their order, pause and drain."""
    if pause and unpause:
        raise typer.BadParameter("give one of --pause and --unpause", param_hint="--pause")
    with Where(database=database, store=store, home=home).client() as client:
        if move is not None:
            client.prioritise(move, priority=priority)
        if pause or unpause:
            client.pause(paused=pause)
        if drain is not None:
            client.drain(drain)
        if undrain is not None:
            client.drain(undrain, draining=False)
        from wayframe.workflow.queue.overview import overview

        found = overview(client.place, limit=limit)
    if json:
        from json import dumps

        typer.echo(dumps(found.as_json(), indent=2, ensure_ascii=False))
    else:
        from wayframe.cli.queue_views import print_overview

        print_overview(found)


def remove(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids of runs that have ended.")],
    database: DatabaseOption = None,
    store: StoreOption = None,
    home: HomeOption = None,
) -> None:
    """Forget runs that have ended: their rows and folders, here and in the store; gc takes their segments."""
    with Where(database=database, store=store, home=home).client() as client:
        for run in runs:
            typer.echo(f"removed {client.remove(run)}")


def collect(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would go, and remove nothing.")] = False,
    older_than: Annotated[str, typer.Option("--older-than", metavar="AGE", help="Such as 7d, 12h, 30m or 0.")] = "7d",
    database: DatabaseOption = None,
    store: StoreOption = None,
    home: HomeOption = None,
) -> None:
    """Remove segments and input files that no run refers to, and what is left of ended runs in the database."""
    age = _age(older_than)
    with Where(database=database, store=store, home=home).client() as client:
        from wayframe.cli.queue_views import print_collected
        from wayframe.workflow.queue.gc import Collector

        collector = Collector(client.place, older_than=age)
        print_collected(collector.dry_run() if dry_run else collector.collect(), dry_run=dry_run)


def run_there(
    make: Callable[[], Trip],
    *,
    where: Where,
    manner: Manner,
    finished: Callable[[Mapping[str, Any], ArtifactStore], None] = lambda _record, _store: None,
) -> None:
    """Submit a trip and follow it: `wayframe run --database`; `finished` gets its record, and where segments are."""
    with where.client() as client:
        options = _options(manner, name=None, priority=0, batch=0, keep_going=False)
        result = _followed(client, _submitted(client, make, manner=manner, options=options), manner=manner)
        finished(result.record, client.place.artifacts())


def _options(manner: Manner, *, name: str | None, priority: int, batch: int, keep_going: bool) -> SubmitOptions:
    from wayframe.workflow.queue.client import SubmitOptions
    from wayframe.workflow.render import OnDifference

    return SubmitOptions(
        run_id=name,
        priority=priority,
        batch=batch,
        keep_going=keep_going,
        on_difference=OnDifference(manner.on_difference.value),
    )


def _submitted(client: QueueClient, make: Callable[[], Trip], *, manner: Manner, options: SubmitOptions) -> RunRow:
    from wayframe.cli.live import fetching
    from wayframe.workflow.lora_files import Fetch
    from wayframe.workflow.out import Out
    from wayframe.workflow.queue.supplies import trip_to_submit

    with fetching(manner.show) as listen:
        trip = trip_to_submit(make, home=client.place.home, fetch=Fetch(listen=listen))
    if manner.out is not None:
        Out(path=manner.out, plan=trip.planned(), force=manner.force).check()
    return client.submit(trip, options=options)


def _again(client: QueueClient, row: RunRow, *, follow: bool) -> None:
    if follow:
        _followed(client, row, manner=Manner(out=None, force=False, show="text"))
    else:
        typer.echo(f"run {row.run_id} is {row.state.value} again; wayframe follow {row.run_id}")


def _followed(client: QueueClient, row: RunRow, *, manner: Manner) -> RunResult:
    from wayframe.cli.following import Follower

    return Follower(client.place, manner=manner).follow(row)


def _show(*, quiet: bool, json: bool) -> str:
    return "quiet" if quiet else "json" if json else "text"


def _size(row: RunRow) -> str:
    from wayframe.core.wording import counted

    return f"{counted(row.segments, 'segment')}, {counted(row.frames, 'frame')}"


def _age(word: str) -> timedelta:
    """``7d``, ``12h``, ``30m``, ``0``."""
    import re
    from datetime import timedelta

    found = re.fullmatch(r"(\d{1,6})([dhm]?)", word)
    if found is None or (not found.group(2) and int(found.group(1))):
        raise typer.BadParameter(f"expected an age such as 7d, 12h, 30m or 0, got {word!r}", param_hint="--older-than")
    unit = {"d": "days", "h": "hours"}.get(found.group(2), "minutes")
    return timedelta(**{unit: int(found.group(1))})
