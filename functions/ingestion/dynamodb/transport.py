"""Sends BatchWriteItem requests: many at a time from one thread, with libcurl's multi interface.

This module does not deal with items or retries: it sends a body, and returns a status and a body.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pycurl
from botocore.exceptions import NoCredentialsError
from botocore.httpsession import get_cert_path
from botocore.session import get_session

from ingestion.dynamodb.signature import Signer

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_dynamodb import DynamoDBClient

_CONNECT_SECONDS = 5
_REPLY_SECONDS = 10
"""DynamoDB responds in milliseconds. A request that takes this long is sent again."""
_WHILE_RESOLVING_SECONDS = 0.005
_STARTED_TOGETHER = 8
"""Requests to queue before libcurl starts them. Fewer cost time, because libcurl checks all those
under way at each start. More would leave the table idle while the next rows are read."""


class Reply(NamedTuple):
    """The outcome of a request. Without an HTTP response, `status` is 0 and `body` says why."""

    tag: Any
    status: int
    body: bytes


class Transport:
    """Sends POST requests to `url`. `headers` makes a request's header lines from its body.

    Connections are kept and reused. Not thread-safe. `ca_file` is the bundle of CA certificates
    used to verify the server.
    """

    def __init__(self, url: str, headers: Callable[[bytes], list[str]], *, ca_file: str) -> None:
        self._url = url
        self._headers = headers
        self._ca_file = ca_file
        self._multi = pycurl.CurlMulti()
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, list[bytes]]] = {}
        self._not_begun = 0

    @property
    def under_way(self) -> int:
        """How many requests have no reply yet."""
        return len(self._busy)

    def send(self, tag: object, body: bytes) -> None:
        """Sends a request without waiting. Its reply will have the same `tag`."""
        curl = self._idle.pop() if self._idle else self._new()
        received: list[bytes] = []
        # An empty "Expect" keeps libcurl from asking before it sends a large body.
        curl.setopt(pycurl.HTTPHEADER, [*self._headers(body), "Expect:"])
        curl.setopt(pycurl.POSTFIELDS, body)
        curl.setopt(pycurl.WRITEFUNCTION, received.append)
        self._busy[curl] = tag, received
        self._multi.add_handle(curl)
        self._not_begun += 1
        if self._not_begun == _STARTED_TOGETHER:
            self._perform()

    def replies(self, seconds: float) -> list[Reply]:
        """The replies that have come in. Waits at most `seconds` for the first one.

        It waits even with nothing under way, so that a caller can use it to sleep.
        """
        if not self._busy:
            time.sleep(seconds)
            return []
        until = time.monotonic() + seconds
        while True:
            self._perform()
            replies = self._collect()
            left = until - time.monotonic()
            if replies or left <= 0:
                return replies
            own = self._multi.timeout()  # ms until libcurl must act itself; select ignores this
            wait = left if own < 0 else min(left, own / 1000)
            if self._multi.select(wait) < 0:  # no socket yet: the host name is being resolved
                time.sleep(min(wait, _WHILE_RESOLVING_SECONDS))

    def _perform(self) -> None:
        self._not_begun = 0
        self._multi.perform()

    def _collect(self) -> list[Reply]:
        replies = []
        more = 1
        while more:
            more, succeeded, failed = self._multi.info_read()
            for curl in succeeded:
                status = curl.getinfo(pycurl.RESPONSE_CODE)
                replies.append(self._settle(curl, status, None))
            for curl, number, why in failed:
                replies.append(self._settle(curl, 0, f"curl {number}: {why}".encode()))
        return replies

    def _settle(self, curl: Any, status: int, why: bytes | None) -> Reply:
        tag, received = self._busy.pop(curl)
        self._multi.remove_handle(curl)
        self._idle.append(curl)
        return Reply(tag, status, b"".join(received) if why is None else why)

    def _new(self) -> Any:
        curl = pycurl.Curl()
        curl.setopt(pycurl.URL, self._url)
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.CAINFO, self._ca_file)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(_CONNECT_SECONDS * 1000))
        curl.setopt(pycurl.TIMEOUT_MS, int(_REPLY_SECONDS * 1000))
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.USERAGENT, "ticket-loader")
        return curl


def dynamodb_transport(
    client: "DynamoDBClient", credentials: "Credentials | None" = None
) -> Transport:
    """A transport for BatchWriteItem to the endpoint of `client`.

    It uses the credentials of botocore's chain unless others are given. So profiles,
    `AWS_ENDPOINT_URL`, FIPS endpoints and `AWS_CA_BUNDLE` have the same effect as on the
    client.
    """
    session = get_session()
    credentials = credentials or session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    url = client.meta.endpoint_url
    signer = Signer(
        credentials,
        endpoint_url=url,
        region=client.meta.region_name,
        service="dynamodb",
        target="DynamoDB_20120810.BatchWriteItem",
    )
    ca_file = session.get_config_variable("ca_bundle") or get_cert_path(True)
    return Transport(url, signer.headers, ca_file=str(ca_file))
