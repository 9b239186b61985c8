"""The report page in a real browser, opened as a file."""

import json
import re
import time
from dataclasses import replace
from typing import Any

import pytest
from selenium.webdriver.common.by import By

from ingestion.report_page.building import page_of
from ingestion.report_page.recorded import Recorded
from ingestion.report_page.rendering import render
from tests.support.known_executions import FAILED, LOADED, NOW, chunk

EVIL = "<img src=x onerror=alert(1)>"


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


@pytest.mark.parametrize("known", [LOADED, FAILED], ids=["loaded", "failed"])
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


def test_states_have_the_colours_of_their_outcomes(browser: Any, saved: Any) -> None:
    open_page(browser, saved, FAILED)
    found = colours(browser)
    idle, good, bad = found["Write Chunk"], found["Validate File"], found["Split File"]
    assert len({idle, good, bad}) == 3
    assert found["Load Failed"] == bad
    assert found["Describe Failure"] == good
    assert found["Loaded"] == idle


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
    many = replace(LOADED, chunks=[chunk(index) for index in range(10_000)])
    began = time.monotonic()
    open_page(browser, saved, many)
    assert len(browser.find_elements(By.CSS_SELECTOR, ".chunks tbody tr")) == 250
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_itself_does_not_scroll_sideways(browser: Any, saved: Any, width: int) -> None:
    browser.set_window_size(width, 1000)
    try:
        open_page(browser, saved, FAILED)
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= browser.execute_script("return window.innerWidth")
    finally:
        browser.set_window_size(1440, 1200)
