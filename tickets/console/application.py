"""The application: which page answers which request."""

from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ingestion.report_page import rendering
from tickets.console.background import Background
from tickets.console.connection import Connection
from tickets.console.failures_page import FailuresPage
from tickets.console.guard import Guard, Permission
from tickets.console.live import Part
from tickets.console.load_page import LoadPage
from tickets.console.loads_page import LoadsPage
from tickets.console.pages import FOLDER, Pages
from tickets.console.refused_page import RefusedPage
from tickets.console.watching import Watcher


class Console:
    """The pages of one stack."""

    def __init__(
        self,
        connection: Connection,
        watcher: Watcher,
        background: Background,
        port: int,
        allow_changes: bool,
    ) -> None:
        stack = connection.stack
        self._port = port
        self._watcher = watcher
        permission = Permission(allow_changes, port)
        self._pages = Pages(
            {
                "stack": stack.name,
                "where": stack.endpoint_url or stack.region,
                "allowed": permission.is_given,
            }
        )
        self._loads = LoadsPage(connection, watcher, self._pages)
        self._load = LoadPage(connection, watcher, background, self._pages)
        self._refused = RefusedPage(connection, watcher, background, self._pages)
        self._failures = FailuresPage(connection, watcher, background, self._pages, permission)

    def application(self) -> Guard:
        """Returns the ASGI application."""
        style = rendering.style_sheet() + (FOLDER / "console.css").read_text(encoding="utf-8")
        script = (FOLDER / "console.js").read_text(encoding="utf-8")
        routes = [
            Route("/", self._loads.page),
            Route("/events/loads", self._loads.events),
            Route("/loads/{execution}", self._load.page),
            Route("/events/loads/{execution}", self._load.events),
            Route("/loads/{execution}/refused", self._refused.page),
            Route("/failures", self._failures.page),
            Route("/events/failures", self._failures.events),
            Route("/failures/change", self._failures.change, methods=["POST"]),
            Route("/favicon.ico", _nothing),
            Route("/console.css", partial(_file, "text/css", style)),
            Route("/console.js", partial(_file, "text/javascript", script)),
        ]
        handlers = {Exception: self._failed, HTTPException: self._refusal}
        return Guard(Starlette(routes=routes, exception_handlers=handlers), self._port)  # type: ignore[arg-type]

    async def _failed(self, request: Request, error: Exception) -> Response:
        """Says why a request failed."""
        return self._error(request, 502, self._watcher.explain(error))

    async def _refusal(self, request: Request, error: HTTPException) -> Response:
        """Says why a request is not answered, or that there is no such page."""
        return self._error(request, error.status_code, error.detail)

    def _error(self, request: Request, status: int, why: str) -> Response:
        heading = {403: "Not allowed", 404: "Not found"}.get(status, "This did not work")
        html = self._pages.render("failed.html.j2", heading=heading, why=why)
        return self._pages.page(request, Part(heading, html), status=status)


async def _file(media_type: str, content: str, _: Request) -> Response:
    return Response(content, media_type=media_type)


async def _nothing(_: Request) -> Response:
    return Response(status_code=204)
