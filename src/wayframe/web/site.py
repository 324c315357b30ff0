"""What all routes work with: the place, the queue, the runs as they are listed, uploads, decoding, and streams."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from wayframe.store.home import Home
from wayframe.web.decoding import Decoding
from wayframe.web.drafts import Workroom
from wayframe.web.library import Library
from wayframe.web.media_uploads import MediaUploads
from wayframe.web.preparing import Preparing
from wayframe.web.settings import Settings
from wayframe.web.streams import Streams
from wayframe.web.uploads import Uploads
from wayframe.workflow.queue.client import QueueClient
from wayframe.workflow.queue.place import Place
from wayframe.workflow.queue.rows import RunRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The server's own things; made once."""

    settings: Settings
    client: QueueClient
    library: Library
    decoding: Decoding
    uploads: Uploads
    media: MediaUploads
    workroom: Workroom
    streams: Streams
    preparing: Preparing[RunRow]
    measuring: Preparing[Path]

    @staticmethod
    def open(place: Place, *, settings: Settings) -> Site:
        """The site of a place. Raises `StoreError` when its database cannot be used."""
        decoding = Decoding(home=place.home, limits=settings.limits)
        uploads = Uploads(home=place.home, decoding=decoding, limits=settings.limits)
        media = MediaUploads(uploads=uploads, decoding=decoding)
        library = Library(place)
        return Site(
            settings=settings,
            client=QueueClient(place),
            library=library,
            decoding=decoding,
            uploads=uploads,
            media=media,
            workroom=Workroom(home=place.home, uploads=uploads, media=media, settings=settings),
            streams=Streams(library),
            preparing=Preparing(told="the run is being made ready", patience=settings.limits.preparing),
            measuring=Preparing(told="the video is being measured", patience=settings.limits.preparing),
        )

    @property
    def place(self) -> Place:
        """Where queued work happens."""
        return self.client.place

    @property
    def home(self) -> Home:
        """The home folder."""
        return self.place.home

    def close(self) -> None:
        """Give back connections, and end the children."""
        self.preparing.close()
        self.measuring.close()
        self.decoding.close()
        self.client.close()


def site_of(request: Request) -> Site:
    """The site of a request's app."""
    site: Site = request.app.state.site
    return site


Here = Annotated[Site, Depends(site_of)]
"""A route's parameter that gets the site."""
