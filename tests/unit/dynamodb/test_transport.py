"""The transport against an HTTP server that the test scripts (`http_server`)."""

import ipaddress
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import botocore.session
import pytest
from botocore.exceptions import NoCredentialsError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ingestion.dynamodb import transport
from ingestion.dynamodb.transport import Reply, Transport, dynamodb_transport
from tests.support.http_server import Hang, http_server, taken
from tests.unit.dynamodb.test_signature import by_botocore
from tickets.runs.waiting import polls

BUNDLE = botocore.httpsession.get_cert_path(True)
PATIENCE = 20  # seconds, for what takes milliseconds


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test uses the AWS settings of the user who runs it."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture
def server() -> Iterator[Any]:
    with http_server() as server:
        yield server


def to(url: Any, headers: Any = lambda body: ["x-test: yes"], ca_file: Any = BUNDLE) -> Any:
    return Transport(url, headers, ca_file=str(ca_file))


def replies_of(sender: Any, count: Any) -> Any:
    """Waits for the next `count` replies; returns them by tag."""
    replies: dict[object, Reply] = {}
    while len(replies) < count:
        came = sender.replies(PATIENCE)
        assert came, "no reply"
        replies |= {reply.tag: reply for reply in came}
    return replies


def ask(sender: Any, body: bytes = b"{}") -> Any:
    """The reply to one request."""
    sender.send("one", body)
    [reply] = replies_of(sender, 1).values()
    assert sender.under_way == 0
    return reply


# ---------------------------------------------------------------- what goes over the wire


def test_a_body_goes_out_and_a_status_and_a_body_come_back(server: Any) -> None:
    sender = to(server.url)
    tag = object()
    sender.send(tag, b'{"RequestItems":{}}')
    assert sender.under_way == 1
    assert sender.replies(PATIENCE) == [Reply(tag, 200, b'{"UnprocessedItems":{}}')]
    assert sender.under_way == 0
    [request] = server.requests
    assert (request.path, request.body) == ("/", b'{"RequestItems":{}}')


def test_any_status_is_a_reply_with_its_body(server: Any) -> None:
    for status, body in [(400, b'{"__type":"x"}'), (503, b""), (200, b"\x00\xff" * 3), (302, b"-")]:
        server.answer = lambda request, answer=(status, body): answer
        assert ask(to(server.url)) == Reply("one", status, body)


def test_bodies_are_sent_as_they_are_whatever_bytes_they_have(server: Any) -> None:
    sender = to(server.url)
    for body in [b"", b"\x00", bytes(range(256)), b"x" * 1025, b"y" * 5_000_000]:
        ask(sender, body)
        assert server.requests[-1].body == body


def test_no_body_is_announced_and_waited_for(server: Any) -> None:
    """libcurl would ask with "Expect: 100-continue" from 1 MB on, and wait a second for an
    answer."""
    sender = to(server.url)
    for size in (10, 1025, 2_000_000):
        ask(sender, b"x" * size)
        assert server.requests[-1].header("expect") is None
        assert server.requests[-1].header("transfer-encoding") is None
        assert server.requests[-1].header("content-length") == str(size)


def test_big_answers_come_whole(server: Any) -> None:
    answer = bytes(range(256)) * 20_000
    server.answer = lambda request: (200, answer)
    sender = to(server.url)
    for tag in range(4):
        sender.send(tag, b"{}")
    assert all(reply.body == answer for reply in replies_of(sender, 4).values())


def test_header_lines_are_sent_as_given_and_made_from_each_body(server: Any) -> None:
    sender = to(server.url, lambda body: [f"x-size: {len(body)}", "content-type: text/x-own"])
    for body in (b"1", b"22", b"333"):
        ask(sender, body)
        request = server.requests[-1]
        assert request.header("x-size") == str(len(body))
        assert request.header("content-type") == "text/x-own"


# ---------------------------------------------------------------- many at a time


def test_many_requests_are_under_way_at_once(server: Any) -> None:
    """The server answers only after all requests have arrived."""
    together = threading.Barrier(32)

    def wait_for_all(request: Any) -> Any:
        together.wait(PATIENCE)
        return 200, request.body

    server.answer = wait_for_all
    sender = to(server.url)
    for tag in range(32):
        sender.send(tag, b"%d" % tag)
    assert sender.under_way == 32
    replies = replies_of(sender, 32)
    assert {tag: reply.body for tag, reply in replies.items()} == {
        tag: b"%d" % tag for tag in range(32)
    }
    assert sender.under_way == 0


def test_replies_come_in_the_order_of_the_answers(server: Any) -> None:
    second_is_read = threading.Event()

    def first_waits(request: Any) -> Any:
        if request.body == b"first":
            assert second_is_read.wait(PATIENCE)
        return taken(request)

    server.answer = first_waits
    sender = to(server.url)
    sender.send("first", b"first")
    sender.send("second", b"second")
    [reply] = sender.replies(PATIENCE)
    assert (reply.tag, sender.under_way) == ("second", 1)
    assert sender.replies(0) == []  # waits for nothing: the server does not answer yet
    second_is_read.set()
    [reply] = sender.replies(PATIENCE)
    assert (reply.tag, sender.under_way) == ("first", 0)


def test_some_requests_are_begun_before_anybody_waits_for_a_reply(server: Any) -> None:
    """So that the table has work while the next rows are read."""
    sender = to(server.url)
    for tag in range(16):
        sender.send(tag, b"{}")
    for _ in polls(0.01, PATIENCE):
        if server.connections == 16:
            break
    assert set(replies_of(sender, 16)) == set(range(16))


def test_with_nothing_under_way_waiting_passes_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    assert to("http://127.0.0.1:9").replies(1.5) == []
    assert slept == [1.5]


# ---------------------------------------------------------------- connections


def test_connections_are_kept_and_used_again(server: Any) -> None:
    sender = to(server.url)
    for _ in range(5):
        for tag in range(3):
            sender.send(tag, b"{}")
        replies_of(sender, 3)
    assert len(server.requests) == 15
    assert server.connections <= 3


def test_a_connection_that_the_server_closed_meanwhile_is_replaced(server: Any) -> None:
    server.closes = True
    sender = to(server.url)
    for number in range(3):
        assert ask(sender).status == 200
        assert server.closed.acquire(timeout=PATIENCE)
        assert server.connections == number + 1


def test_a_connection_that_the_server_closes_just_as_it_is_used_again_is_replaced(
    server: Any,
) -> None:
    """No part of an answer has arrived, so libcurl sends the request on a new connection."""

    def answer_once(request: Any) -> Any:
        if request.nth > 1:
            raise Hang
        return taken(request)

    server.answer = answer_once
    sender = to(server.url)
    assert [ask(sender).status for _ in range(4)] == [200] * 4


# ---------------------------------------------------------------- no answer


def test_a_connection_refused_is_a_reply_that_says_so() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))  # held, and nobody listens
        reply = ask(to(f"http://127.0.0.1:{other.getsockname()[1]}"))
    assert reply.status == 0
    assert reply.body.startswith(b"curl 7: ")


def test_a_host_without_address_is_a_reply_that_says_so() -> None:
    reply = ask(to("http://no-such-host.invalid"))
    assert reply.status == 0
    assert reply.body.startswith(b"curl 6: ")


def test_a_connection_that_breaks_is_a_reply_that_says_so() -> None:
    """The connection is reset before the answer, or in the middle of it."""
    half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"
    for words, number in [(b"", b"curl 56: "), (half, b"curl 56: "), (half, b"curl 18: ")]:
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def serve(
                listener: Any = listener, words: Any = words, reset: bool = number == b"curl 56: "
            ) -> None:
                connection, _ = listener.accept()
                connection.recv(65536)
                connection.sendall(words)
                if reset:  # a linger of no time makes the close a reset
                    option = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
                connection.close()

            thread = threading.Thread(target=serve)
            thread.start()
            reply = ask(to(f"http://127.0.0.1:{listener.getsockname()[1]}"))
            thread.join(PATIENCE)
        assert reply.status == 0
        assert reply.body.startswith(number)


def test_a_server_that_does_not_answer_in_time_is_a_reply_that_says_so(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def hold(request: Any) -> Any:
        over.wait(PATIENCE)
        return taken(request)

    server.answer = hold
    monkeypatch.setattr(transport, "_REPLY_SECONDS", 0.05)
    began = time.monotonic()
    reply = ask(to(server.url))
    took = time.monotonic() - began
    over.set()
    assert reply.status == 0
    assert reply.body.startswith(b"curl 28: ")
    assert took < PATIENCE / 2  # of what the caller would have waited


def test_after_any_failure_the_same_transport_goes_on(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_REPLY_SECONDS", 0.2)
    over = threading.Event()

    def hold(request: Any) -> None:
        over.wait(PATIENCE)
        raise Hang

    server.answer = hold
    sender = to(server.url)
    for tag in range(3):
        sender.send(tag, b"{}")
    assert {reply.status for reply in replies_of(sender, 3).values()} == {0}
    over.set()
    server.answer = taken
    assert [ask(sender, body).body for body in (b"1", b"2")] == [b'{"UnprocessedItems":{}}'] * 2


# ---------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The files of a self-signed certificate for 127.0.0.1 and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an engine of the test's own")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


@pytest.fixture
def tls_server(certificate: Any) -> Iterator[Any]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with http_server(context) as server:
        yield server


def test_a_server_whose_certificate_goes_back_to_the_bundle_is_believed(
    tls_server: Any, certificate: Any
) -> None:
    assert ask(to(tls_server.url, ca_file=certificate[0])).status == 200


def test_another_server_is_not_asked(tls_server: Any) -> None:
    reply = ask(to(tls_server.url))
    assert reply.status == 0
    assert reply.body.startswith(b"curl 60: ")
    assert tls_server.requests == []


def test_a_certificate_for_another_name_is_not_believed(tls_server: Any, certificate: Any) -> None:
    reply = ask(to(f"https://localhost:{tls_server.port}", ca_file=certificate[0]))
    assert reply.body.startswith(b"curl 60: ")
    assert tls_server.requests == []


# ---------------------------------------------------------------- as the client would send it


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")


def for_client() -> Any:
    client = botocore.session.get_session().create_client("dynamodb")
    return dynamodb_transport(cast(Any, client))


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"])
@pytest.mark.parametrize("host", ["127.0.0.1", "LocalHost"])
@pytest.mark.usefixtures("keys")
def test_it_sends_to_the_endpoint_of_the_environment_what_was_signed(
    server: Any, monkeypatch: pytest.MonkeyPatch, variable: str, host: str
) -> None:
    """botocore, asked to sign what the server got, gives the signature that the server got."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    url = f"http://{host}:{server.port}"
    monkeypatch.setenv(variable, url)
    assert ask(for_client(), b'{"RequestItems":{"Tickets":[]}}').status == 200
    [request] = server.requests
    assert request.header("x-amz-target") == "DynamoDB_20120810.BatchWriteItem"
    now = datetime.strptime(request.header("x-amz-date"), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)
    signed = by_botocore(
        botocore.session.get_session().get_credentials(),
        now.timestamp(),
        f"http://{request.header('host')}",
        request.body,
        region="eu-west-3",
    )
    assert request.header("authorization") == signed["authorization"]
    # botocore signs a host in small letters, so that is what must have been sent.
    assert request.header("host") == f"{host.lower()}:{server.port}"
    assert request.header("x-amz-security-token") == "token"


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "https://dynamodb.eu-west-3.amazonaws.com"),
        (
            {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_DEFAULT_REGION": "us-west-2"},
            "https://dynamodb-fips.us-west-2.amazonaws.com",
        ),
        ({"AWS_DEFAULT_REGION": "cn-north-1"}, "https://dynamodb.cn-north-1.amazonaws.com.cn"),
        (
            {"AWS_ENDPOINT_URL": "https://vpce-1.dynamodb.eu-west-3.vpce.amazonaws.com"},
            "https://vpce-1.dynamodb.eu-west-3.vpce.amazonaws.com",
        ),
    ],
)
@pytest.mark.usefixtures("keys")
def test_its_endpoint_is_the_clients(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, Any], url: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert for_client()._url == url


@pytest.mark.usefixtures("keys")
def test_it_believes_the_bundle_of_the_environment(
    tls_server: Any, certificate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", tls_server.url)
    assert ask(for_client()).status == 0
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate[0]))
    assert ask(for_client()).status == 200


def test_the_keys_of_a_profile_are_found(
    server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "credentials").write_text(
        "[till]\naws_access_key_id = AKIDTILL\naws_secret_access_key = secret\n"
    )
    (tmp_path / "config").write_text(
        f"[profile till]\nregion = eu-north-1\nendpoint_url = {server.url}\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "till")
    assert ask(for_client()).status == 200
    credential = server.requests[0].header("authorization").partition("Credential=")[2]
    access_key, _, region, service, _ = credential.partition(",")[0].split("/")
    assert (access_key, region, service) == ("AKIDTILL", "eu-north-1", "dynamodb")


def test_without_any_keys_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    with pytest.raises(NoCredentialsError):
        for_client()
