"""The page of a load: its report page, live while it runs."""

from functools import partial
from urllib.parse import quote

from botocore.exceptions import ClientError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tickets.console import live
from tickets.console.background import Background
from tickets.console.connection import Connection
from tickets.console.load_reading import LoadReader
from tickets.console.loads_page import FIRST_SECONDS
from tickets.console.pages import Pages
from tickets.console.watching import Reading, Watcher
from tickets.errors import CommandError
from tickets.runs.report_pages import report_page

_STORED_PAGE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
"""A page that comes from the work bucket may do even less than the console's own."""


class LoadPage:
    """Answers the requests for the page of an execution and its events."""

    def __init__(
        self, connection: Connection, watcher: Watcher, background: Background, pages: Pages
    ) -> None:
        self._connection = connection
        self._watcher = watcher
        self._background = background
        self._pages = pages
        self._reader = LoadReader(connection, pages)

    async def page(self, request: Request) -> Response:
        execution = request.path_params["execution"]
        reading = self._reading(execution)
        await reading.first(FIRST_SECONDS)
        if _is_unknown(reading.failure):
            return await self._stored(execution)
        part = self._part(execution, reading)
        events = "" if reading.is_final else f"/events/loads/{quote(execution, safe='')}"
        return self._pages.page(request, part, reading=reading, events=events)

    async def events(self, request: Request) -> Response:
        execution = request.path_params["execution"]
        return live.events(
            request, partial(self._reading, execution), partial(self._part, execution)
        )

    def _reading(self, execution: str) -> Reading:
        return self._watcher.reading(
            f"load {execution}",
            lambda last: self._reader.read(execution, last),
            lambda shown: not shown.is_running,
        )

    def _part(self, execution: str, reading: Reading) -> live.Part:
        if reading.value is None:
            return live.Part(execution, self._pages.render("waiting.html.j2", name=execution))
        part: live.Part = reading.value.part
        return part

    async def _stored(self, execution: str) -> Response:
        """The page that was made when the execution ended. Step Functions has deleted it since."""
        try:
            _, page = await self._background.run(report_page, self._connection.stack, execution)
        except CommandError as error:
            raise HTTPException(404, str(error)) from error
        headers = {"content-security-policy": _STORED_PAGE_POLICY}
        return HTMLResponse(page, headers=headers)


def _is_unknown(error: Exception | None) -> bool:
    if not isinstance(error, ClientError):
        return False
    return error.response["Error"]["Code"] in ("ExecutionDoesNotExist", "InvalidArn")
