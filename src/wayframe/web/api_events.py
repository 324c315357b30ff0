"""The events of a run as a stream of server-sent events (HTML Living Standard, section 9.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse

from wayframe.web.listing import RunId
from wayframe.web.site import Here
from wayframe.web.streams import Channel

router = APIRouter(prefix="/runs", tags=["events"])
MEDIA_TYPE = "text/event-stream"
RETRY_MILLISECONDS = 1000
LARGEST = 2**63 - 1
_MESSAGE = {
    "description": "one message; `data` is an event as JSON, and nothing in the last one, of type `end`",
    "type": "object",
    "required": ["data"],
    "properties": {
        "id": {"type": "string"},
        "event": {"enum": ["message", "end"]},
        "data": {"type": "string"},
        "retry": {"type": "integer"},
    },
}
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@router.get(
    "/{run_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {"description": "Events; each has its number as id", "content": {MEDIA_TYPE: {"schema": _MESSAGE}}},
        204: {"description": "The run has ended, and there is nothing behind that number"},
    },
)
async def follow_run(
    site: Here,
    run_id: RunId,
    last_event_id: Annotated[str, Header(max_length=40)] = "",
    after: Annotated[int, Query(ge=0, le=LARGEST)] = 0,
) -> Response:
    """What happens to a run, from its beginning or from behind a number, until it ends.

    The number is that of the header Last-Event-ID, which browsers send when they come back, else that of `after`. The
    last message is of type ``end``; a client that comes back after it gets 204, which ends its trying.
    """
    run = await to_thread.run_sync(site.library.get, run_id)
    said = last_event_id.strip()
    number = int(said) if said.isascii() and said.isdecimal() and int(said) <= LARGEST else after
    if number and await to_thread.run_sync(lambda: site.streams.is_over(run, after=number)):
        return Response(status_code=204, headers=_HEADERS)
    channel = await to_thread.run_sync(site.streams.channel, run)
    return StreamingResponse(_messages(channel, after=number), media_type=MEDIA_TYPE, headers=_HEADERS)


async def _messages(channel: Channel, *, after: int) -> AsyncIterator[bytes]:
    """The messages of a channel as they are sent; a heartbeat is a comment."""
    yield b"retry: %d\n\n" % RETRY_MILLISECONDS
    async with aclosing(channel.listen(after)) as items:
        async for item in items:
            yield b": \n\n" if item is None else b"id: %d\ndata: %s\n\n" % (item.seq, item.data)
    if channel.over:
        yield b"event: end\ndata: {}\n\n"
