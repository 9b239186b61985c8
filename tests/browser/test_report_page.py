"""The report page in a real browser, opened as a file."""

import json
import re
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from ingestion.ledger.attempts import Attempt
from ingestion.report_page.building import page_of
from ingestion.report_page.recorded import CountedReason, Recorded
from ingestion.report_page.rendering import render
from tests.support.known_executions import ENDINGS, FAILED, LOADED, NOW, chunk
from tests.support.visited_states import BEGAN

EVIL = "<img src=x onerror=alert(1)>"
LONG = "x" * 400
LONG_NAMES = replace(
    FAILED,
    execution=LONG[:80],
    execution_input={"bucket": "uploads", "key": LONG, "uploader": LONG},
    load={"bucket": "uploads", "key": LONG, "version_id": LONG, "etag": LONG},
    error=LONG,
    cause=LONG,
    reasons=[CountedReason(LONG, LONG, 1, [1], LONG)],
    attempts=[
        Attempt(LONG[:80], LONG, None, "uploads", LONG, LONG, "FAILED", None, BEGAN.isoformat())
    ],
    stack={"Stack": LONG},
)


def requests(browser: Any) -> list[str]:
    """The URLs that the browser has asked for since the last call, without its own pages."""
    messages = [json.loads(one["message"])["message"] for one in browser.get_log("performance")]
    return [
        one["params"]["request"]["url"]
        for one in messages
        if one["method"] == "Network.requestWillBeSent"
        and not one["params"]["request"]["url"].startswith("chrome://")
    ]


def open_page(browser: Any, saved: Any, known: Recorded) -> str:
    requests(browser)
    browser.get_log("browser")
    url = str(saved(render(page_of(known, NOW))))
    browser.get(url)
    return url


@pytest.mark.parametrize("known", ENDINGS.values(), ids=ENDINGS)
def test_nothing_leaves_and_nothing_is_wrong(browser: Any, saved: Any, known: Recorded) -> None:
    url = open_page(browser, saved, known)
    assert requests(browser) == [url]
    assert browser.get_log("browser") == []


def test_the_totals_are_those_of_the_report(browser: Any, saved: Any) -> None:
    report = {"rows_read": 1200, "rows_written": 1100, "rows_superseded": 60, "rows_refused": 40}
    open_page(browser, saved, replace(LOADED, report=json.dumps(report).encode()))
    shown = browser.find_element(By.CSS_SELECTOR, ".equation").text
    numbers = [int(one.replace(",", "")) for one in re.findall(r"[\d,]+", shown)]
    browser.find_element(By.CSS_SELECTOR, "summary").click()
    stored = json.loads(browser.find_element(By.CSS_SELECTOR, "pre.json").text)
    assert numbers == list(stored.values())
    assert numbers[0] == sum(numbers[1:])


def colours(browser: Any) -> dict[str, str]:
    """The colour of each state's outline, by the state's name."""
    script = """
        const found = {};
        for (const group of document.querySelectorAll(".graph-picture g.node, g.cluster")) {
            const name = group.querySelector("title").textContent.split(": ")[0];
            const shape = group.querySelector(":scope > path, :scope > polygon");
            if (shape) found[name] = getComputedStyle(shape).stroke;
        }
        return found;
    """
    found: dict[str, str] = browser.execute_script(script)
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_states_have_the_colours_of_their_outcomes(browser: Any, saved: Any, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        open_page(browser, saved, FAILED)
        found = colours(browser)
        open_page(browser, saved, ENDINGS["timed out"])
        others = colours(browser)
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    idle, good, bad = found["Write Chunk"], found["Validate File"], found["Split File"]
    assert len({idle, good, bad, others["Write Chunks"]}) == 4
    assert found["Load Failed"] == bad
    assert found["Describe Failure"] == good == others["Split File"]
    assert found["Loaded"] == idle == others["Loaded"]


def test_the_verdict_leads_to_what_needs_to_be_done(browser: Any, saved: Any) -> None:
    open_page(browser, saved, FAILED)
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB, Keys.ENTER)
    assert browser.current_url.endswith("#todo")
    below = "return document.getElementById('todo').getBoundingClientRect().top"
    assert 0 <= browser.execute_script(below) < browser.execute_script("return innerHeight")


def test_a_name_of_html_stays_text(browser: Any, saved: Any) -> None:
    evil = replace(
        FAILED,
        execution=EVIL,
        execution_input={"bucket": EVIL, "key": EVIL},
        load=dict.fromkeys(("bucket", "key", "version_id", "uploader"), EVIL),
    )
    open_page(browser, saved, evil)
    assert browser.find_elements(By.CSS_SELECTOR, "img") == []
    assert EVIL in browser.find_element(By.CSS_SELECTOR, ".file").text
    assert EVIL in browser.title


def test_ten_thousand_chunks_are_shown_within_two_seconds(browser: Any, saved: Any) -> None:
    many = replace(
        LOADED,
        chunks=[chunk(index) for index in range(10_000)],
        stopped_at=BEGAN + timedelta(seconds=20_000),
    )
    began = time.monotonic()
    open_page(browser, saved, many)
    assert len(browser.find_elements(By.CSS_SELECTOR, ".chunks tbody tr")) == 250
    assert time.monotonic() - began < 2


def test_everything_can_be_read_without_scripts_and_colours(browser: Any, saved: Any) -> None:
    """The outcome of each state is text for a screen reader, and a sign for all other readers."""
    open_page(browser, saved, FAILED)
    rows = browser.find_elements(By.CSS_SELECTOR, ".states tbody tr")
    shown = {}
    for row in rows:
        name = row.find_element(By.TAG_NAME, "th")
        sign = "return getComputedStyle(arguments[0].querySelector('.sign'), '::before').content"
        outcome = row.find_element(By.CSS_SELECTOR, ".unseen").get_property("textContent")
        shown[name.text.splitlines()[0]] = (browser.execute_script(sign, name)[1], outcome)
    assert shown["Validate File"] == ("✓", "succeeded: ")
    assert shown["Split File"] == ("✗", "failed: ")


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_itself_does_not_scroll_sideways(browser: Any, saved: Any, width: int) -> None:
    browser.set_window_size(width, 1000)
    try:
        open_page(browser, saved, LONG_NAMES)
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= browser.execute_script("return window.innerWidth")
    finally:
        browser.set_window_size(1440, 1200)
