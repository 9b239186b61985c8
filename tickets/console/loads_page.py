"""The page with the loads of the last days."""

from collections.abc import Mapping
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from tickets.console import live
from tickets.console.connection import Connection
from tickets.console.load_list import MAX_LOADS, LoadList, read_loads
from tickets.console.pages import Pages
from tickets.console.watching import Reading, Watcher
from tickets.runs.loads import STATUSES

DAYS = {"1": "24 hours", "7": "7 days", "30": "30 days", "90": "90 days"}
DEFAULT_DAYS = "7"
MAX_SHOWN = 200
FIRST_SECONDS = 5.0
"""How long a page waits for what it shows. After that it comes without, and is live."""


class LoadsPage:
    """Answers the requests for the page and its events."""

    def __init__(self, connection: Connection, watcher: Watcher, pages: Pages) -> None:
        self._connection = connection
        self._watcher = watcher
        self._pages = pages

    async def page(self, request: Request) -> Response:
        reading = self._reading(request.query_params)
        await reading.first(FIRST_SECONDS)
        part = self._part(request.query_params, reading)
        events = f"/events/loads?{request.url.query}"
        return self._pages.page(request, part, reading=reading, events=events)

    async def events(self, request: Request) -> Response:
        asked = request.query_params
        return live.events(request, partial(self._reading, asked), partial(self._part, asked))

    def _reading(self, asked: Mapping[str, str]) -> Reading:
        days = int(_days(asked))
        return self._watcher.reading(
            f"loads of {days} days", lambda last: read_loads(self._connection.stack, days, last)
        )

    def _part(self, asked: Mapping[str, str], reading: Reading) -> live.Part:
        status, key, days = asked.get("status", ""), asked.get("key", ""), _days(asked)
        listed: LoadList = reading.value or LoadList([], are_all=True, whole_at=0.0)
        found = [
            one
            for one in listed.loads
            if status in ("", one["status"]) and key.casefold() in str(one["key"]).casefold()
        ]
        html = self._pages.render(
            "loads.html.j2",
            loads=found[:MAX_SHOWN],
            left_out=max(len(found) - MAX_SHOWN, 0),
            searched=None if listed.are_all else MAX_LOADS,
            status=status,
            key=key,
            days=days,
            periods=DAYS,
            known=reading.value is not None,
            statuses=STATUSES,
        )
        return live.Part("Loads", html)


def _days(asked: Mapping[str, str]) -> str:
    return asked["days"] if asked.get("days") in DAYS else DEFAULT_DAYS
