"""Admits requests to the console: from this machine's browser, and changes from its own pages.

Any web site that the user visits can make the browser send requests to a loopback port. It can't
set the Host header and can't read the token, and the browser names it in the Origin header (Fetch
Standard, `Origin` header; OWASP, Cross-Site Request Forgery Prevention).
"""

import hmac
import secrets
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    # Not no-referrer: the Origin header of a form would be "null" (Fetch Standard, 3.2).
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


async def fields(request: Request) -> dict[str, list[str]]:
    """The fields of a form that was posted, by name."""
    return parse_qs((await request.body()).decode("utf-8", "replace"))


class Guard:
    """Refuses requests to other hosts, and adds the headers that restrict the browser."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = Request(scope).headers.get("host", "")

        async def send_guarded(message: dict) -> None:  # type: ignore[type-arg]
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message.get("headers", [])}
                message["headers"] = [
                    *message.get("headers", []),
                    *(
                        (name.encode(), value.encode())
                        for name, value in HEADERS.items()
                        if name.encode() not in names
                    ),
                ]
            await send(message)

        if host not in self._hosts:
            refusal = PlainTextResponse("This console answers on 127.0.0.1 only.", 421)
            await refusal(scope, receive, send_guarded)  # type: ignore[arg-type]
            return
        await self._app(scope, receive, send_guarded)  # type: ignore[arg-type]


class Changes:
    """Decides whether a request may change something."""

    def __init__(self, allowed: bool, port: int) -> None:
        self.allowed = allowed
        self.token = secrets.token_urlsafe(32)
        self._origins = {f"http://127.0.0.1:{port}", f"http://localhost:{port}"}

    async def refusal(self, request: Request) -> Response | None:
        """Returns why a POST request is refused; None if it may go on."""
        if not self.allowed:
            return PlainTextResponse(
                "This console is read-only. Start it with --allow-changes to replay or dismiss.",
                403,
            )
        if request.headers.get("origin") not in self._origins:
            return PlainTextResponse("This request does not come from the console's pages.", 403)
        token = "".join((await fields(request)).get("token", []))
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            return PlainTextResponse(
                "The page is of an earlier start of the console: load it again.", 403
            )
        return None
