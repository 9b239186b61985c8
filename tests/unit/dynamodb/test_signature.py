"""Signatures equal botocore's own. The engine, which verifies them, is asked in tests/e2e."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, RefreshableCredentials
from hypothesis import example, given
from hypothesis import strategies as st

from ingestion.dynamodb.signature import Signer

TARGET = "DynamoDB_20120810.BatchWriteItem"
REGION = "eu-central-1"
KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SESSION = Credentials("ASIAEXAMPLE", "another/secret+key", "token//with+every/kind=of==sign")
NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC).timestamp()


class Clock:
    def __init__(self, now: Any = NOON) -> None:
        self.now = now

    def __call__(self) -> Any:
        return self.now


def signer(
    credentials: Any = KEYS,
    clock: Any = None,
    url: str = "https://dynamodb.eu-central-1.amazonaws.com",
    **more: Any,
) -> Any:
    options = {"region": REGION, "service": "dynamodb", "target": TARGET} | more
    return Signer(credentials, endpoint_url=url, clock=clock or Clock(), **options)


def by_botocore(credentials: Any, now: Any, url: Any, body: Any, region: Any = REGION) -> Any:
    """The headers that botocore's signer leaves on the same request at the same time, and the host
    that it has signed. These are the steps of its `add_auth` without the first, which reads the
    clock, by another function in each release."""
    sent = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": TARGET}
    request = AWSRequest("POST", f"{url}/", headers=sent, data=body)
    moment = datetime.fromtimestamp(int(now), UTC)
    request.context["timestamp"] = moment.strftime("%Y%m%dT%H%M%SZ")
    made: Any = SigV4Auth(credentials, "dynamodb", region)
    made._modify_request_before_signing(request)
    to_sign = made.string_to_sign(request, made.canonical_request(request))
    made._inject_signature_to_request(request, made.signature(to_sign, request))
    headers = {name.lower(): value for name, value in request.headers.items()}
    return headers | {"host": made.headers_to_sign(request)["host"]}


def as_dict(lines: Any) -> Any:
    pairs = [line.split(": ", 1) for line in lines]
    assert len({name for name, _ in pairs}) == len(pairs)
    return dict(pairs)


def check(
    made: Any, credentials: Any, clock: Any, url: Any, body: Any, region: Any = REGION
) -> None:
    assert as_dict(made.headers(body)) == by_botocore(credentials, clock.now, url, body, region)


URLS = [
    "https://dynamodb.eu-central-1.amazonaws.com",
    "https://dynamodb-fips.us-east-1.amazonaws.com",
    "https://vpce-0a1b2c.dynamodb.us-east-1.vpce.amazonaws.com:443",
    "https://localhost:80",
    "http://127.0.0.1:4566",
    "http://localhost:80",
    "http://localhost:443",
    "http://[::1]:8000",
    "http://[2001:db8::7]",
    "http://Engine.Example:4566",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("credentials", [KEYS, SESSION], ids=["keys", "session"])
def test_every_kind_of_endpoint(url: Any, credentials: Any) -> None:
    clock = Clock()
    check(signer(credentials, clock, url), credentials, clock, url, b'{"RequestItems":{}}')


@pytest.fixture
def in_paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The local time of the process isn't UTC, which signatures use."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Paris")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 3, 1, 0, 0, 0, tzinfo=UTC),
        datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC),
        datetime(2026, 3, 1, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2027, 1, 1, 0, 0, 0, tzinfo=UTC),
        datetime(2028, 2, 29, 9, 8, 7, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 30, 0, tzinfo=UTC),  # summer time begins in Europe
    ],
)
def test_the_edges_of_the_clock(moment: Any, in_paris: Any) -> None:
    clock = Clock(moment.timestamp())
    check(signer(clock=clock), KEYS, clock, URLS[0], b"{}")


def test_one_signer_over_a_new_day_and_a_new_year() -> None:
    clock = Clock(datetime(2026, 12, 31, 23, 59, 58, 500_000, tzinfo=UTC).timestamp())
    made = signer(clock=clock)
    for _ in range(6):
        check(made, KEYS, clock, URLS[0], b"{}")
        clock.now += 0.5


@given(
    st.lists(
        st.tuples(st.binary(max_size=400), st.integers(0, 4_000_000_000)), min_size=1, max_size=6
    ),
    st.sampled_from(URLS),
    st.sampled_from(["us-east-1", "cn-north-1", "us-gov-west-1"]),
    st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1),
    st.none() | st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1),
)
@example([(b"", 0)], URLS[0], "us-east-1", "secret", None)
@example([(b"\xff\x00\r\n", 86_399), (b"{}", 86_400)], URLS[0], "us-east-1", "secret", "")
def test_any_bodies_at_any_time(
    requests: Any, url: Any, region: Any, secret: Any, token: Any
) -> None:
    """One signer makes all signatures. Time may go back, as when a clock is set."""
    clock, credentials = Clock(), Credentials("AKIDEXAMPLE", secret, token)
    made = signer(credentials, clock, url, region=region)
    for body, now in requests:
        clock.now = now
        check(made, credentials, clock, url, body, region)


def test_credentials_are_refreshed_before_they_expire_and_the_fresh_ones_used() -> None:
    hours = iter(range(1, 10))
    now = datetime(2026, 3, 1, tzinfo=UTC)

    def refresh() -> dict[str, Any]:
        hour = next(hours)
        return {
            "access_key": f"AKID-{hour}",
            "secret_key": f"secret-{hour}",
            "token": f"token-{hour}",
            "expiry_time": (now + timedelta(hours=1)).isoformat(),
        }

    credentials = RefreshableCredentials.create_from_metadata(refresh(), refresh, "test")
    credentials._time_fetcher = lambda: now  # type: ignore[attr-defined] # not in the stubs
    made = signer(credentials)
    for minutes, hour in [(0, 1), (30, 1), (61, 2), (90, 2), (140, 3)]:
        now = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=minutes)
        fresh = Credentials(f"AKID-{hour}", f"secret-{hour}", f"token-{hour}")
        assert as_dict(made.headers(b"{}")) == by_botocore(fresh, NOON, URLS[0], b"{}")


def test_the_same_secret_of_another_day_is_another_key() -> None:
    """What the signer caches is used again only for the same day and credentials."""
    clock = Clock()
    made = signer(clock=clock)
    first = as_dict(made.headers(b"{}"))
    clock.now += 86_400
    second = as_dict(made.headers(b"{}"))
    clock.now -= 86_400
    assert as_dict(made.headers(b"{}")) == first
    assert (
        first["authorization"].partition("Signature=")[2]
        != (second["authorization"].partition("Signature=")[2])
    )


def test_no_secret_is_in_the_headers() -> None:
    text = "\n".join(signer(SESSION).headers(b"{}"))
    assert SESSION.secret_key not in text
    assert SESSION.access_key in text
