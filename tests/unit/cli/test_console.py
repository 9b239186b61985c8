"""`tickets console`: what the pages show, what they may change, and who may ask."""

import html
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from ingestion.ledger.loads import Loads
from tests.support.console_client import Answer, ConsoleClient, running_console
from tests.support.dead_letter_queue import graph_letter, send, waiting
from tests.support.step_functions import ACCEPTED, EXECUTION, StepFunctions
from tickets.runs.stack import Stack

EVIL = "<img src=x onerror=alert(1)>.csv"

pytestmark = pytest.mark.usefixtures("empty_queues")


@pytest.fixture
def client(stack: Stack) -> Iterator[ConsoleClient]:
    with running_console(stack, allow_changes=True) as client:
        yield client


@pytest.fixture
def read_only(stack: Stack) -> Iterator[ConsoleClient]:
    with running_console(stack) as client:
        yield client


def add_load(stack: Stack, name: str, key: str, **facts: Any) -> None:
    loads = Loads(stack.client("dynamodb"), "ledger")
    url = {"bucket": "uploads", "key": key, "object_url": f"s3://uploads/{key}"}
    loads.open_load(name, {**url, **facts}, f"{EXECUTION}:{name}")


def failed_load(stack: Stack, step_functions: StepFunctions, name: str = "a") -> None:
    validated = ("Task", "Validate File", {**ACCEPTED, "load_id": name})
    step_functions.add(name, "FAILED", [validated, ("Fail", "Load Failed", None)])
    add_load(stack, name, f"{name}.csv")
    send(stack, graph_letter(name))


def token(answer: Answer) -> str:
    [found] = set(re.findall(r'name="token" value="([^"]*)"', answer.text))
    return str(found)


def replay_fields(client: ConsoleClient, *names: str, step: str) -> list[tuple[str, str]]:
    given = token(client.get("/failures"))
    return [("token", given), ("step", step), *(("execution", name) for name in names)]


# --- pages


def test_loads_are_listed_and_filtered(stack: Stack, client: ConsoleClient) -> None:
    add_load(stack, "a", "shops/lyon.csv", rows_read=1200)
    Loads(stack.client("dynamodb"), "ledger").close_load("a", "SUCCEEDED", {})
    add_load(stack, "b", EVIL)
    Loads(stack.client("dynamodb"), "ledger").close_load("b", "FAILED", {})
    shown = client.get("/").text
    assert "shops/lyon.csv" in shown
    assert "1,200" in shown
    assert html.escape(EVIL) in shown
    assert "<img" not in shown
    filtered = client.get("/?status=SUCCEEDED&key=lyon").text
    assert "shops/lyon.csv" in filtered
    assert html.escape(EVIL) not in filtered


def test_a_load_has_the_report_page(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    failed_load(stack, step_functions)
    shown = client.get("/loads/a").text
    assert "What happened" in shown
    assert "tickets replay a" in shown
    assert client.get("/loads/unknown").status == 404


def test_a_load_that_step_functions_has_deleted_has_its_stored_page(
    stack: Stack, client: ConsoleClient
) -> None:
    page = "<!doctype html><title>Loaded</title><script>alert(1)</script>"
    stack.client("s3").put_object(Bucket="work", Key="reports/old.html", Body=page)
    answer = client.get("/loads/old")
    assert answer.text == page
    # No script of it runs, whatever the work bucket has.
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none';")


def test_the_page_of_a_load_that_has_ended_is_sent_once(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    failed_load(stack, step_functions)
    names = [name for name, _ in client.events("/events/loads/a")]
    assert names == ["page", "end"]


def test_refused_rows_are_paged_and_filtered_by_reason(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    failed_load(stack, step_functions)
    listed = {"refused_rows": "s3://work/refused-rows/a/refused-rows.csv"}
    Loads(stack.client("dynamodb"), "ledger").note("a", listed)
    shown = client.get("/loads/a/refused").text
    assert "T1,a,B1,,,two," in shown
    filtered = client.get("/loads/a/refused?reason=superseded").text
    assert "T1,a,B1,,,two," not in filtered
    assert "superseded" in filtered


def test_failures_with_the_same_cause_are_one_group(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    for name in ("a", "b"):
        failed_load(stack, step_functions, name)
    shown = client.get("/failures").text
    assert "2 loads: 1 of 4 chunks are not finished" in shown
    assert waiting(stack)[0] == 2


# --- changes


def refused(client: ConsoleClient, step_functions: StepFunctions, answer: Answer) -> None:
    assert answer.status == 403
    assert step_functions.started == []


def test_without_allow_changes_nothing_can_be_changed(
    stack: Stack, step_functions: StepFunctions, read_only: ConsoleClient
) -> None:
    failed_load(stack, step_functions)
    shown = read_only.get("/failures")
    assert token(shown) == ""
    assert "--allow-changes" in shown.text
    answer = read_only.post("/failures/change", [("step", "replay"), ("execution", "a")])
    refused(read_only, step_functions, answer)


def test_a_change_needs_the_token_of_this_start(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    failed_load(stack, step_functions)
    for given in ([], [("token", "")], [("token", "guessed")], [("token", "é")]):
        answer = client.post("/failures/change", [*given, ("step", "replay"), ("execution", "a")])
        refused(client, step_functions, answer)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_a_change_must_come_from_the_consoles_own_pages(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient, origin: str
) -> None:
    failed_load(stack, step_functions)
    fields = replay_fields(client, "a", step="replay")
    refused(client, step_functions, client.post("/failures/change", fields, Origin=origin))


@pytest.mark.parametrize("step", ["replay", "dismiss"])
def test_reading_changes_nothing(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient, step: str
) -> None:
    failed_load(stack, step_functions)
    given = "&".join(f"{name}={value}" for name, value in replay_fields(client, "a", step=step))
    for path in ("/", "/failures", "/loads/a", "/loads/a/refused"):
        assert client.get(f"{path}?{given}").status == 200
        assert client.head(f"{path}?{given}").status == 200
    assert (step_functions.started, waiting(stack)[0]) == ([], 1)


def test_a_form_has_a_limited_size(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    failed_load(stack, step_functions)
    fields = [*replay_fields(client, "a", step="replay"), ("reason", "x" * 1_000_000)]
    assert client.post("/failures/change", fields).status == 413
    assert step_functions.started == []


def test_a_change_is_no_get_request(client: ConsoleClient) -> None:
    assert client.get("/failures/change").status == 405


# --- the browser's restrictions


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1"])
def test_other_hosts_get_nothing(client: ConsoleClient, host: str) -> None:
    for path in ("/", "/loads/a", "/console.js", "/unknown"):
        answer = client.get(path, Host=host)
        assert answer.status == 421
        assert "Loads" not in answer.text


def test_localhost_is_this_machine_too(client: ConsoleClient) -> None:
    assert client.get("/", Host=f"localhost:{client.port}").status == 200


def test_only_the_loopback_interface_is_listened_on(client: ConsoleClient) -> None:
    for host in ("127.0.0.2", "::1"):
        with pytest.raises(OSError, match=r"."):
            socket.create_connection((host, client.port), 1).close()


def test_a_request_without_a_body_gets_none(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    failed_load(stack, step_functions)
    for path in ("/events/loads", "/events/loads/a", "/events/failures", "/console.js"):
        answer = client.head(path)
        assert (answer.status, answer.text) == (200, "")


def test_every_answer_restricts_the_browser(client: ConsoleClient) -> None:
    for path in ("/", "/failures", "/console.css", "/unknown"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_pages_have_no_inline_style_or_script(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    failed_load(stack, step_functions)
    for path in ("/", "/loads/a", "/loads/a/refused", "/failures"):
        shown = client.get(path).text
        assert " style=" not in shown
        assert re.findall(r"<script[^>]*>", shown) in (
            [],
            ['<script src="/console.js" defer>'],
        )
        assert not re.findall(r"\son\w+=", shown)


# --- when AWS does not answer


def test_a_page_says_that_it_is_stale(
    stack: Stack, client: ConsoleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_load(stack, "a", "a.csv")
    Loads(stack.client("dynamodb"), "ledger").close_load("a", "SUCCEEDED", {})
    assert "a.csv" in client.get("/").text

    def fail(*_: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr("tickets.console.loads_page.read_loads", fail)
    events = client.events("/events/loads")
    assert "a.csv" in next(data for name, data in events if name == "page")["html"]
    said = next(data for name, data in events if name == "stale")
    assert re.fullmatch(r"Stale: what you see is \d seconds old\. ConnectionError\.", said)
    assert "a.csv" in client.get("/").text


def test_a_page_that_can_not_be_made_says_why(
    client: ConsoleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr("tickets.console.failures_page.held_dead_letters", fail)
    answer = client.get("/failures")
    assert answer.status == 502
    assert "ConnectionError." in answer.text
