"""The console in a real browser, over a stack of the tests' own."""

from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver.common.by import By

from ingestion.ledger.chunks import ChunkProgress, Chunks
from ingestion.ledger.loads import Loads
from tests.support.console_client import ConsoleClient, running_console
from tests.support.dead_letter_queue import graph_letter, send
from tests.support.running_stack import until
from tests.support.step_functions import ACCEPTED, EXECUTION, StepFunctions
from tickets.runs.stack import Stack

pytestmark = pytest.mark.usefixtures("empty_queues")

EVIL = "<img src=x onerror=alert(1)>.csv"


@pytest.fixture
def console(stack: Stack) -> Iterator[ConsoleClient]:
    with running_console(stack, allow_changes=True) as client:
        yield client


def running_load(stack: Stack, step_functions: StepFunctions, key: str = "a.csv") -> None:
    validated = ("Task", "Validate File", {**ACCEPTED, "load_id": "a"})
    step_functions.add("a", "RUNNING", [validated])
    loads = Loads(stack.client("dynamodb"), "ledger")
    url = {"bucket": "uploads", "key": key, "object_url": f"s3://uploads/{key}"}
    loads.open_load("a", url, f"{EXECUTION}:a")
    loads.note_plan("a", "g", {"bucket": "work", "key": "p", "chunks": 4, "data_end": 400})


def save_chunk(stack: Stack, index: int) -> None:
    done = ChunkProgress(
        index, 100 * index, 100 * index + 100, 100 * index + 100, finished=True, rows_read=25
    )
    Chunks(stack.client("dynamodb"), "ledger").save("a", "g", None, done)


def rows_shown(browser: Any) -> int:
    # In one call, because the console may replace the element between two.
    return int(browser.execute_script("return document.querySelector('[data-rows]').dataset.rows"))


def test_a_running_load_is_shown_live(
    browser: Any, stack: Stack, step_functions: StepFunctions, console: ConsoleClient
) -> None:
    running_load(stack, step_functions)
    browser.get(f"{console.origin}/loads/a")
    shown = []
    for index in range(3):
        save_chunk(stack, index)
        until(lambda: rows_shown(browser) == 25 * (index + 1), "the chunk's rows", seconds=10)  # noqa: B023
        shown.append(rows_shown(browser))
    assert shown == sorted(shown)
    assert [one for one in browser.get_log("browser") if one["level"] == "SEVERE"] == []


def test_a_stack_that_does_not_answer_is_shown_as_stale_within_five_seconds(
    browser: Any,
    stack: Stack,
    step_functions: StepFunctions,
    console: ConsoleClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running_load(stack, step_functions)
    browser.get(console.origin)

    def fail(*_: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr("tickets.console.loads_page.read_loads", fail)

    def said() -> str:
        return str(browser.find_element(By.ID, "stale").text)

    until(lambda: said().startswith("Stale"), "the page to say so", seconds=5)
    assert "a.csv" in browser.find_element(By.TAG_NAME, "main").text


def test_a_replay_that_is_clicked_twice_starts_one_execution(
    browser: Any, stack: Stack, step_functions: StepFunctions, console: ConsoleClient
) -> None:
    running_load(stack, step_functions)
    step_functions.described["a"]["status"] = "FAILED"
    send(stack, graph_letter("a"))
    browser.get(f"{console.origin}/failures")
    browser.find_element(By.CSS_SELECTOR, "input[type=checkbox]").click()
    browser.find_element(By.CSS_SELECTOR, "button[value=show-replay]").click()
    [button] = until(
        lambda: browser.find_elements(By.CSS_SELECTOR, "button[value=replay]"), "what it would do"
    )
    browser.execute_script("arguments[0].click(); arguments[0].click();", button)
    until(lambda: step_functions.started, "the replay")
    until(lambda: "Replayed" in browser.find_element(By.TAG_NAME, "h1").text, "its page")
    assert [one["name"] for one in step_functions.started] == ["a-r1"]


def test_a_key_of_html_stays_text(
    browser: Any, stack: Stack, step_functions: StepFunctions, console: ConsoleClient
) -> None:
    running_load(stack, step_functions, key=EVIL)
    for path in ("/", "/loads/a"):
        browser.get(console.origin + path)
        assert browser.find_elements(By.CSS_SELECTOR, "img") == []
        assert EVIL in browser.find_element(By.TAG_NAME, "body").text
