"""The console in a real browser, over a stack of the tests' own."""

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from selenium.webdriver.common.by import By

from ingestion.contracts import RefusedRow
from ingestion.csv_files.refused_rows import csv_lines
from ingestion.ledger.chunks import ChunkProgress, Chunks
from ingestion.ledger.loads import Loads
from tests.support.console_client import ConsoleClient, running_console
from tests.support.dead_letter_queue import graph_letter, send
from tests.support.known_executions import LOADED, chunk
from tests.support.running_stack import until
from tests.support.step_functions import ACCEPTED, EXECUTION, RESULT, StepFunctions
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


def save_all_chunks(stack: Stack, browser: Any, chunks: int) -> None:
    for index in range(chunks):
        save_chunk(stack, index)
    until(lambda: rows_shown(browser) == 25 * chunks, "the chunks' rows", seconds=10)


@pytest.mark.exhaustive
def test_an_update_keeps_what_the_reader_does(
    browser: Any, stack: Stack, step_functions: StepFunctions, console: ConsoleClient
) -> None:
    running_load(stack, step_functions)
    browser.get(f"{console.origin}/loads/a")
    browser.execute_script("""
        getSelection().selectAllChildren(document.querySelector("h1"));
        window.graph = document.querySelector(".graph");
        graph.focus();
        scrollTo(0, 300);
    """)
    kept = """
        return [getSelection().toString().includes("Running"), document.activeElement === graph,
                Math.round(graph.getBoundingClientRect().top)]
    """
    before = browser.execute_script(kept)
    assert before[:2] == [True, True]
    save_all_chunks(stack, browser, 2)
    assert browser.execute_script(kept) == before


@pytest.mark.exhaustive
def test_choices_stay_while_failures_come_in(
    browser: Any, stack: Stack, step_functions: StepFunctions, console: ConsoleClient
) -> None:
    for name in ("a", "b"):
        step_functions.add(name, "FAILED")
        send(stack, graph_letter(name))
    browser.get(f"{console.origin}/failures")
    every, first, second = browser.find_elements(By.CSS_SELECTOR, "input[type=checkbox]")
    every.click()
    assert first.is_selected()
    assert second.is_selected()
    second.click()
    assert not every.is_selected()
    send(stack, graph_letter("c"))
    stale = browser.find_element(By.ID, "stale")
    until(lambda: "3 messages wait now" in stale.text, "the page to say so", seconds=10)
    assert [box.is_selected() for box in (every, first, second)] == [False, True, False]


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


def test_text_of_html_stays_text(
    browser: Any, stack: Stack, step_functions: StepFunctions, console: ConsoleClient
) -> None:
    running_load(stack, step_functions, key=EVIL)
    result = {**RESULT, "refused_rows": "s3://work/refused-rows/evil.csv"}
    step_functions.add("b", visits=[("Task", "Reconcile", {"result": result})])
    rows = b"".join(csv_lines([RefusedRow(2, EVIL, EVIL, EVIL)]))
    stack.client("s3").put_object(Bucket="work", Key="refused-rows/evil.csv", Body=rows)
    given = {"bucket": EVIL, "key": EVIL, "version_id": EVIL}
    send(stack, graph_letter(EVIL, cause=EVIL, input=given))
    paths = ["/", "/loads/a", "/loads/b", "/loads/b/refused", "/failures", f"/loads/{quote(EVIL)}"]
    for path in paths:
        browser.get(console.origin + path)  # fails if an alert opens
        assert browser.find_elements(By.CSS_SELECTOR, "img, script:not([src='/console.js'])") == []
        shown = browser.find_element(By.TAG_NAME, "body").text
        assert EVIL in shown
    assert [one for one in browser.get_log("browser") if "404" not in one["message"]] == []


def test_pages_do_without_javascript(
    browser: Any, stack: Stack, step_functions: StepFunctions, console: ConsoleClient
) -> None:
    running_load(stack, step_functions)
    send(stack, graph_letter("b"))
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(f"{console.origin}/loads/a")
        note = browser.find_element(By.TAG_NAME, "noscript").text
        assert note.endswith("Reload the page to see what is new.")
        browser.get(f"{console.origin}/failures")
        browser.find_element(By.CSS_SELECTOR, "input[type=checkbox]").click()
        browser.find_element(By.CSS_SELECTOR, "button[value=show-dismiss]").click()
        [heading] = until(lambda: browser.find_elements(By.TAG_NAME, "h1"), "the page")
        assert heading.text == "What a dismissal would do"
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.exhaustive
def test_ten_thousand_chunks_are_shown_within_two_seconds_and_stay_responsive(
    browser: Any, console: ConsoleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = [chunk(index, finished=index % 3 < 2) for index in range(10_000)]
    plan = {"chunks": 10_000, "data_end": 100_000}
    read = itertools.count(1)

    class Executions:
        def recorded(self, _: str) -> Any:
            known = replace(LOADED, status="RUNNING", stopped_at=None, load={"plan": plan})
            return replace(known, chunks=chunks[: 9_000 + next(read)], report=b""), []

    monkeypatch.setattr("tickets.console.load_reading.pages_of", lambda _: Executions())
    monkeypatch.setattr("tickets.console.load_reading.MANY_CHUNKS_SECONDS", 0.0)
    began = time.monotonic()
    browser.get(f"{console.origin}/loads/week-csv")
    assert len(browser.find_elements(By.CSS_SELECTOR, ".grid path")) == 3
    assert time.monotonic() - began < 2
    longest = browser.execute_async_script("""
        const done = arguments[0], seen = [];
        new PerformanceObserver((list) => seen.push(...list.getEntries()))
            .observe({type: "longtask"});
        new MutationObserver(() => setTimeout(() => {
            done(Math.max(0, ...seen.map((one) => one.duration)));
        }, 500)).observe(document.querySelector("#live"), {subtree: true, attributes: true});
    """)
    assert longest < 500  # milliseconds
    size = len(json.dumps(next(data for _, data in console.events("/events/loads/week-csv"))))
    assert size < 250_000
