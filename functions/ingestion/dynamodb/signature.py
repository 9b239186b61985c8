"""Signs BatchWriteItem requests with AWS Signature Version 4, faster than botocore.

botocore's own signer takes some 160 µs per request, most of it for cases that BatchWriteItem does
not need: queries, paths, arbitrary headers. Source: "Create a signed AWS API request", IAM User
Guide.
"""

import hmac
import time
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from botocore.credentials import Credentials, ReadOnlyCredentials

_ALGORITHM = "AWS4-HMAC-SHA256"
_CONTENT_TYPE = "application/x-amz-json-1.0"


class Signer:
    """Makes the headers of POST requests with JSON bodies to one service's endpoint.

    `credentials` may be botocore's refreshable ones: they are read for each request, and botocore
    refreshes them before they expire. `clock` returns seconds since the epoch.
    """

    def __init__(
        self,
        credentials: "Credentials",
        *,
        endpoint_url: str,
        region: str,
        service: str,
        target: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._credentials = credentials
        self._host = _host(endpoint_url)
        self._scope = f"{region}/{service}/aws4_request"
        self._target = target
        self._clock = clock
        self._made_for: tuple[int, object] | None = None
        """The second and the credentials for which `_prepare` has set the attributes below."""
        self._headers: list[str] = []
        self._authorization = ""
        self._request = sha256()
        self._to_sign = b""
        self._key = b""

    def headers(self, body: bytes) -> list[str]:
        """The signed headers of a request, as lines `name: value`.

        `host` is included, because an HTTP client may not write it as it was signed: libcurl
        keeps the capitals of a URL.
        """
        credentials = self._credentials.get_frozen_credentials()
        second = int(self._clock())
        if self._made_for != (second, credentials):
            self._prepare(second, credentials)
            self._made_for = second, credentials
        request = self._request.copy()
        request.update(sha256(body).hexdigest().encode())
        to_sign = self._to_sign + request.hexdigest().encode()
        signature = hmac.digest(self._key, to_sign, "sha256").hex()
        return [*self._headers, self._authorization + signature]

    def _prepare(self, second: int, credentials: "ReadOnlyCredentials") -> None:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        scope = f"{moment[:8]}/{self._scope}"
        # In alphabetical order, as the signature requires.
        headers = [("content-type", _CONTENT_TYPE), ("host", self._host), ("x-amz-date", moment)]
        if credentials.token:
            headers.append(("x-amz-security-token", credentials.token))
        headers.append(("x-amz-target", self._target))
        names = ";".join([name for name, _ in headers])
        lines = "".join([f"{name}:{value}\n" for name, value in headers])
        self._request = sha256(f"POST\n/\n\n{lines}\n{names}\n".encode())
        self._to_sign = f"{_ALGORITHM}\n{moment}\n{scope}\n".encode()
        self._key = f"AWS4{credentials.secret_key}".encode()
        for part in scope.split("/"):
            self._key = hmac.digest(self._key, part.encode(), "sha256")
        self._headers = [f"{name}: {value}" for name, value in headers]
        self._authorization = (
            f"authorization: {_ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature="
        )


def _host(url: str) -> str:
    """The Host header as botocore signs it: in lower case, and without a default port."""
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else str(parts.hostname)
    return host if parts.port in (None, default) else f"{host}:{parts.port}"
