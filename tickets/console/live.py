"""Sends the live part of a page again when what it shows has changed (server-sent events, HTML
Living Standard, 9.2)."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tickets.console.watching import Reading

_LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class Part:
    """The title of a page, and the HTML of the part of it that changes."""

    title: str
    html: str


def events(
    request: Request, reading: Callable[[], Reading], part: Callable[[Reading], Part]
) -> Response:
    """A response that sends the part whenever there is a new version of what it shows, and what is
    to be said about its age. It ends when the reading is final."""
    return StreamingResponse(_events(request, reading, part), media_type="text/event-stream")


async def _events(
    request: Request, reading: Callable[[], Reading], part: Callable[[Reading], Part]
) -> AsyncIterator[str]:
    sent_version, sent, said = 0, Part("", ""), ""
    while not await request.is_disconnected():
        one = reading()
        if one.closed.is_set():
            return
        if one.version != sent_version:
            sent_version, before, sent = one.version, sent, part(one)
            if sent != before:
                yield _event("page", {"title": sent.title, "html": sent.html})
        if one.stale != said:
            said = one.stale
            yield _event("stale", said)
        if one.is_final:
            yield _event("end", "")
            return
        await asyncio.sleep(_LOOK_SECONDS)


def notes(request: Request, reading: Callable[[], Reading], note: Callable[[Any], str]) -> Response:
    """A response that only sends what is to be said about a page that stays as it is."""
    return StreamingResponse(_notes(request, reading, note), media_type="text/event-stream")


async def _notes(
    request: Request, reading: Callable[[], Reading], note: Callable[[Any], str]
) -> AsyncIterator[str]:
    said = ""
    while not await request.is_disconnected():
        one = reading()
        if one.closed.is_set():
            return
        now = one.stale or (note(one.value) if one.version else "")
        if now != said:
            said = now
            yield _event("stale", said)
        await asyncio.sleep(_LOOK_SECONDS)


def _event(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
