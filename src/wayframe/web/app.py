"""The application: routes, errors and guards put together. It holds no state that a restart would lose."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path

from anyio import create_task_group, to_thread
from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse
from starlette.middleware import Middleware
from starlette.staticfiles import StaticFiles

from wayframe import __version__
from wayframe.web import (
    api_catalogue,
    api_changes,
    api_compare,
    api_events,
    api_files,
    api_queue,
    api_runs,
    api_specs,
    api_uploads,
    pages,
    problems,
)
from wayframe.web.security import Guard
from wayframe.web.sessions import Doorkeeper, Guesses
from wayframe.web.settings import Settings
from wayframe.web.site import Site
from wayframe.workflow.queue.place import Place

API = "/api/v1"
OPENAPI = f"{API}/openapi.json"
STATIC = Path(str(resources.files("wayframe.web"))) / "static"


def create_app(place: Place, *, settings: Settings | None = None) -> FastAPI:
    """The page and the API of a place.

    Raises `SpecError` for settings that would leave it open to others, `StoreError` when the database cannot be used.
    """
    settings = settings or Settings()
    settings.check()
    site = Site.open(place, settings=settings)
    keeper, guesses = Doorkeeper(token=settings.token), Guesses(limit=settings.limits.logins)
    app = FastAPI(
        title="wayframe",
        version=__version__,
        description="Runs of keyframe travel: submit, watch, look, compare.",
        openapi_url=OPENAPI,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        middleware=[Middleware(Guard, settings=settings, keeper=keeper, guesses=guesses)],
    )
    app.state.site, app.state.keeper, app.state.guesses = site, keeper, guesses
    problems.install(app, home=str(site.home.root))
    api = APIRouter(prefix=API, responses=problems.RESPONSES)
    for part in (
        api_runs,
        api_events,
        api_files,
        api_changes,
        api_specs,
        api_uploads,
        api_queue,
        api_compare,
        api_catalogue,
    ):
        api.include_router(part.router)
    app.include_router(api)
    app.include_router(pages.router)
    app.add_api_route("/healthz", _health, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


async def _health() -> JSONResponse:
    return JSONResponse({"status": "ok"})


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Read the runs that are there, in the background, and give everything back at the end."""
    site: Site = app.state.site
    async with create_task_group() as group:
        group.start_soon(to_thread.run_sync, site.uploads.sweep)
        group.start_soon(_read_runs, site)
        yield
        group.cancel_scope.cancel()
    site.close()


async def _read_runs(site: Site) -> None:
    while await to_thread.run_sync(site.library.read_more):
        pass
