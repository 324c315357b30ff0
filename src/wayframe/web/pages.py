"""The HTML pages: one route each, which renders a template with the data of the API."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError

from wayframe.core.documents import parse_findings
from wayframe.core.run_rules import subject_findings
from wayframe.core.subject import Subject
from wayframe.engines.registry import names
from wayframe.errors import SpecError, StoreError
from wayframe.report.build import build_document
from wayframe.store import query as columns
from wayframe.store.catalogue import load_catalogue
from wayframe.store.runs import DEBUG_LOG, EVENTS, FINAL, RECORD, SHEET, VIDEO
from wayframe.web.api_compare import FEWEST, CompareQuery, dossier_of
from wayframe.web.keyframes import pictures_of
from wayframe.web.library import FoundRun
from wayframe.web.listing import STATES, ListQuery, RunId, RunItem, RunPage
from wayframe.web.security import check_guesses, cookie_name
from wayframe.web.sessions import SESSION_SECONDS
from wayframe.web.site import Here, Site
from wayframe.web.templating import render
from wayframe.web.views_compare import Shown, takes
from wayframe.web.views_compose import offer_of
from wayframe.web.views_logged import logged_segments
from wayframe.web.views_run import ENDED, facts_of, finding_groups, first_to_show, joins_of, notice, segment_of
from wayframe.web.views_strip import progress_of, strip_of
from wayframe.workflow.queue.overview import overview
from wayframe.workflow.subjects import Reader

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
FILES = (
    *((f"{FINAL}.mp4", "Final file"), (f"{FINAL}.mov", "Final file"), (RECORD, "Record"), (EVENTS, "Events")),
    *((DEBUG_LOG, "Debug log"), (SHEET, "Contact sheet")),
)


@router.get("/")
def runs_page(request: Request, site: Here) -> Response:
    """The list of runs."""
    query, page, wrong = _asked(request, site)
    open_runs = [item.id for item in page.items if item.state == "running"]
    older = {"state": query.state, "where": query.where, "before": page.next}
    return render(
        request,
        "runs.html",
        page=page,
        query=query,
        wrong=wrong,
        states=STATES,
        columns=columns.COLUMNS,
        pictures={item.id: picture for item in page.items if (picture := _thumbnail(site, item))},
        progress={name: progress_of(site.library.get(name).record()) for name in open_runs},
        first_page=_address(older | {"before": None}),
        next_page=_address(older),
    )


def _thumbnail(site: Site, item: RunItem) -> str:
    """What a line of the list shows, below the run's address: of its video where it is here, else a keyframe."""
    if (site.home.runs / item.id / VIDEO).is_file():
        return "frames/0.jpg"
    return "keyframes/0.jpg" if item.source == "queue" and item.keyframes else ""


def _asked(request: Request, site: Site) -> tuple[ListQuery, RunPage, str]:
    """What is asked for, what is found, and what is wrong with the question; an empty state stands for any."""
    said = request.query_params
    states = [state for state in said.getlist("state") if state]
    try:
        query = ListQuery.model_validate(
            {"state": states, "where": said.get("where", ""), "before": said.get("before") or None}
        )
    except ValidationError as error:
        query = ListQuery()
        return query, site.library.listed(query), f"{error.errors()[0]['loc'][0]}: {error.errors()[0]['msg']}"
    try:
        return query, site.library.listed(query), ""
    except SpecError as error:
        return query, RunPage(items=[], next=None, unread=0), str(error)


def _address(words: dict[str, Any]) -> str:
    said = urlencode({name: value for name, value in words.items() if value}, doseq=True)
    return f"/?{said}" if said else "/"


def _has_video(run: FoundRun) -> bool:
    try:
        return not run.is_open and run.file(VIDEO).is_file()
    except StoreError:
        return False


@router.get("/runs/{run_id}")
def run_page(
    request: Request, site: Here, run_id: RunId, segment: Annotated[int | None, Query(ge=0)] = None
) -> Response:
    """One run; of its segments one is open."""
    run = site.library.get(run_id)
    record = run.record()
    if "planned" not in record:
        return _logged_page(request, site, run)
    strip, video = strip_of(record), _has_video(run)
    wanted = first_to_show(strip) if segment is None else min(segment, len(strip.pieces) - 1)
    return render(
        request,
        "run.html",
        run=run.item,
        about={"id": run_id, "pictures": pictures_of(site, run, strip=strip, has_video=video)},
        strip=strip,
        video=video,
        size=record["planned"]["resolution"].split("x"),
        done=progress_of(record),
        segment=segment_of(record, strip=strip, index=wanted),
        facts_of=facts_of(record),
        files=[(name, words) for name, words in FILES if _is_there(run, name)],
        joins=joins_of(record),
        groups=finding_groups(parse_findings(record["findings"])),
        notice=notice(record),
        redo=run.row is not None and run.item.state in ENDED,
        revisions=site.library.revisions(run.item),
    )


def _is_there(run: FoundRun, name: str) -> bool:
    return (run.folder.path / name).is_file()


def _logged_page(request: Request, site: Site, run: FoundRun) -> Response:
    subject: Subject = Reader(home=site.home, defaults={}).run(run.folder)
    groups = finding_groups(subject_findings(subject))
    return render(request, "logged.html", run=run.item, segments=logged_segments(subject), groups=groups)


@router.get("/compose")
def compose_page(request: Request, site: Here) -> Response:
    """Where a trip is made."""
    offer = offer_of(load_catalogue(site.home), engines=names())
    return render(request, "compose.html", limits=site.settings.limits, offer=offer)


@router.get("/compare")
def compare_page(request: Request, site: Here) -> Response:
    """Two or more runs held against each other; `runs` are ids, each alone or several with commas between."""
    names, query = _comparison(request)
    if query is None:
        return render(request, "compare.html", runs=[site.library.get(name).item for name in names], query=None)
    dossier = dossier_of(site, query)
    found = [site.library.get(name) for name in names]
    shown = [_shown(run) for run in found]
    return render(
        request,
        "compare.html",
        runs=[run.item for run in found],
        query=query,
        address=urlencode({"runs": ",".join(names)}),
        document=build_document(dossier),
        takes=takes(shown, comparisons=dossier.comparisons),
    )


def _comparison(request: Request) -> tuple[list[str], CompareQuery | None]:
    """The runs that are named, and what is asked for; nothing while they are too few. Raises `SpecError`."""
    said = request.query_params
    names = list(dict.fromkeys(_words(said.getlist("runs"))))
    if len(names) < FEWEST:
        return names, None
    try:
        return names, CompareQuery.model_validate(
            {
                "runs": ",".join(names),
                "all": bool(said.get("all")),
                "videos": bool(said.get("videos")),
                "ignore": _words(said.getlist("ignore")),
                "only": _words(said.getlist("only")),
            }
        )
    except ValidationError as error:
        raise SpecError(str(error.errors()[0]["loc"][0]), error.errors()[0]["msg"]) from error


def _words(texts: list[str]) -> list[str]:
    return [word.strip() for text in texts for word in text.split(",") if word.strip()]


def _shown(run: FoundRun) -> Shown:
    return Shown(
        run_id=run.item.id,
        title=run.item.title,
        state=run.item.state,
        record=run.record(),
        has_video=_has_video(run),
    )


@router.get("/queue")
def queue_page(request: Request, site: Here) -> Response:
    """What runs where."""
    return render(request, "queue.html", queue=overview(site.place))


@router.get("/login")
def login_page(request: Request) -> Response:
    """Where the token is asked for."""
    return render(request, "login.html", wrong=False, next=_own(request.query_params.get("next", "/")))


@router.post("/login")
async def login(request: Request) -> Response:
    """Take the token of a form, and give a session for it."""
    site, keeper, guesses = request.app.state.site, request.app.state.keeper, request.app.state.guesses
    client = request.client.host if request.client else "unknown"
    check_guesses(guesses, client=client)
    form = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=10)
    target = _own(form.get("next", ["/"])[0])
    if not keeper.knows(form.get("token", [""])[0]):
        guesses.wrong(client)
        return render(request, "login.html", status=HTTPStatus.FORBIDDEN, wrong=True, next=target)
    answer = RedirectResponse(target, status_code=HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        cookie_name(site.settings),
        keeper.session(),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/logout")
def logout(site: Here) -> Response:
    """Forget the session in this browser."""
    answer = RedirectResponse("/login", status_code=HTTPStatus.SEE_OTHER)
    answer.delete_cookie(cookie_name(site.settings), httponly=True, samesite="strict")
    return answer


def _own(target: str) -> str:
    """A path of this server, whatever was asked for."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return "/"
    ours = not parts.scheme and not parts.netloc and parts.path.startswith("/") and not parts.path.startswith("//")
    return parts.path if ours and "\\" not in target and target.isprintable() else "/"
