"""Admits requests to the console: from this machine's browser, and changes from its own pages.

Any web site that the user visits can make the browser send requests to a loopback port. It can't
set the Host header and can't read the token, and the browser names it in the Origin header (Fetch
Standard, `Origin` header; OWASP, Cross-Site Request Forgery Prevention).
"""

import hmac
import secrets
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
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


MAX_FORM_BYTES = 1_000_000
Form = dict[str, list[str]]


async def read_form(request: Request) -> Form:
    """The fields of a form that was posted, by name.

    Raises HTTPException with status 413 if it has more than MAX_FORM_BYTES.
    """
    body = b""
    async for block in request.stream():
        body += block
        if len(body) > MAX_FORM_BYTES:
            raise HTTPException(413, "The form is too large: choose fewer loads.")
    return parse_qs(body.decode("utf-8", "replace"))


class Guard:
    """Refuses requests to other hosts, and adds the headers that restrict the browser."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = set(_hosts(port))

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


class Permission:
    """Decides whether a request may change something. `token` is in the console's own forms, and
    another one after each start."""

    def __init__(self, is_given: bool, port: int) -> None:
        self.is_given = is_given
        self.token = secrets.token_urlsafe(32)
        self._origins = {f"http://{host}" for host in _hosts(port)}

    async def form(self, request: Request) -> Form:
        """Returns the form of a POST request.

        Raises HTTPException with status 403 if the request may not change anything.
        """
        if not self.is_given:
            raise HTTPException(
                403,
                "This console is read-only. Start it with --allow-changes to replay or dismiss.",
            )
        if request.headers.get("origin") not in self._origins:
            raise HTTPException(403, "This request does not come from the console's pages.")
        form = await read_form(request)
        token = "".join(form.get("token", []))
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            raise HTTPException(403, "The page is from an earlier start of the console: reload it.")
        return form


def _hosts(port: int) -> list[str]:
    """The Host headers of a browser that has the console's address."""
    hosts = [f"127.0.0.1:{port}", f"localhost:{port}"]
    return [*hosts, "127.0.0.1", "localhost"] if port == 80 else hosts  # HTTP's own
