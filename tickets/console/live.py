"""Sends the live part of a page anew when what it shows has changed (server-sent events, HTML
Living Standard, 9.2)."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

from starlette.requests import Request
from starlette.responses import StreamingResponse

from tickets.console.watching import Reading

STALE_SECONDS = 4.0
"""Age from which a page says that it is stale: one reading failed, or takes long."""
_LOOK_SECONDS = 0.5


def events(
    request: Request,
    reading: Callable[[], Reading],
    render: Callable[[Reading], str],
    is_over: Callable[[Reading], bool] = lambda _: False,
) -> StreamingResponse:
    """A response that sends the rendered part whenever there is a new version of what it shows."""
    stream = _events(request, reading, render, is_over)
    return StreamingResponse(stream, media_type="text/event-stream")


async def _events(
    request: Request,
    reading: Callable[[], Reading],
    render: Callable[[Reading], str],
    is_over: Callable[[Reading], bool],
) -> AsyncIterator[str]:
    sent_version, sent, said = 0, "", ""
    while not await request.is_disconnected():
        one = await asyncio.to_thread(reading)
        if one.version != sent_version and one.value is not None:
            part = await asyncio.to_thread(render, one)
            if part != sent:
                yield _event("page", part)
            sent_version, sent = one.version, part
        now = stale(one)
        if now != said or now:
            yield _event("stale", now)
            said = now
        else:
            yield ": still here\n\n"
        if one.value is not None and is_over(one):
            yield _event("end", "")
            return
        await asyncio.sleep(_LOOK_SECONDS)


def stale(one: Reading) -> str:
    """Says how old what is shown is, and why; empty if it is fresh."""
    if one.error is None and one.age < STALE_SECONDS:
        return ""
    if one.error is None and one.value is None:
        return ""
    why = f" {one.error}" if one.error else ""
    return f"Stale: what you see is {one.age:.0f} seconds old.{why}"


def _event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
