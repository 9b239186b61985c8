"""axe-core finds nothing on the report page and on the pages of the console."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from selenium.webdriver.common.by import By

from ingestion.ledger.loads import Loads
from ingestion.report_page.building import page_of
from ingestion.report_page.rendering import render
from tests.support.console_client import running_console
from tests.support.dead_letter_queue import graph_letter, send
from tests.support.known_executions import ENDINGS, NOW
from tests.support.step_functions import ACCEPTED, EXECUTION, RESULT, StepFunctions
from tickets import ROOT
from tickets.runs.stack import Stack

pytestmark = [pytest.mark.exhaustive, pytest.mark.usefixtures("empty_queues")]

# What axe-core finds about colours depends on the scheme, and about the layout on the width.
VIEWS = [("light", 1440), ("dark", 390)]
REFUSED_ROWS = {"refused_rows": "s3://work/refused-rows/a/refused-rows.csv"}


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core."""
    found = sorted(ROOT.glob(".venv/node/axe-core@*/node_modules/axe-core/axe.min.js"))
    if not found:
        pytest.skip("needs axe-core, which `make test-all` installs where there is npm")
    return found[-1].read_text(encoding="utf-8")


@contextmanager
def view(browser: Any, theme: str, width: int) -> Iterator[None]:
    """The page in this colour scheme, on a screen of this width."""
    preferred = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": preferred})
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def findings(browser: Any, axe: str) -> list[str]:
    """What axe-core finds in the page, in both colour schemes and at two widths."""
    found = []
    browser.execute_script(
        "for (const one of document.querySelectorAll('details')) one.open = true"
    )
    for theme, width in VIEWS:
        with view(browser, theme, width):
            browser.execute_script(
                axe
            )  # a policy of the page doesn't apply to the driver's scripts
            ran = browser.execute_async_script(
                "axe.run({resultTypes: ['violations']}).then(arguments[0])"
            )
            assert ran["passes"]
            for rule in ran["violations"]:
                for node in rule["nodes"]:
                    where = f"{rule['id']} ({theme}, {width}): {node['html'][:200]}"
                    found.append(f"{where} {node['failureSummary']}")
    return found


def test_faults_are_found(browser: Any, saved: Callable[[str], str], axe: str) -> None:
    browser.get(saved("<title>A</title><p style='color:#bbb;background:#fff'>pale</p><input>"))
    rules = {one.partition(" ")[0] for one in findings(browser, axe)}
    assert {"color-contrast", "html-has-lang", "label", "landmark-one-main"} <= rules


# Of each heading and each part of the page, one. All endings have the same parts and classes.
@pytest.mark.parametrize(
    "name",
    [
        *("loaded", "already", "overtaken", "refused", "chunk", "running"),
        *("timed out", "stopped in a task", "redriven"),
    ],
)
def test_report_page(browser: Any, saved: Callable[[str], str], axe: str, name: str) -> None:
    browser.get(saved(render(page_of(ENDINGS[name], NOW))))
    assert findings(browser, axe) == []


def add_load(stack: Stack, step_functions: StepFunctions, name: str, status: str) -> None:
    validated = ("Task", "Validate File", {**ACCEPTED, "load_id": name})
    step_functions.add(name, status, [validated])
    loads = Loads(stack.client("dynamodb"), "ledger")
    url = {"bucket": "uploads", "key": f"{name}.csv", "object_url": f"s3://uploads/{name}.csv"}
    loads.open_load(name, url, f"{EXECUTION}:{name}")
    if status == "RUNNING":
        loads.note_plan(name, "g", {"bucket": "work", "key": "p", "chunks": 4, "data_end": 400})
    else:
        loads.close_load(name, status, {**RESULT, **REFUSED_ROWS})


def test_console(browser: Any, stack: Stack, step_functions: StepFunctions, axe: str) -> None:
    add_load(stack, step_functions, "a", "FAILED")
    add_load(stack, step_functions, "b", "RUNNING")
    found = {}

    def check(what: str) -> None:
        if shown := findings(browser, axe):
            found[what] = shown

    send(stack, graph_letter("a"))
    with running_console(stack) as read_only:
        browser.get(f"{read_only.origin}/failures")
        check("failures, read-only")
    with running_console(stack, allow_changes=True) as console:
        for path in ("/", "/?status=OVERTAKEN", "/loads/a", "/loads/b", "/loads/a/refused"):
            browser.get(console.origin + path)
            check(path)
        for step in ("dismiss", "replay"):
            browser.get(f"{console.origin}/failures")
            check("failures")
            browser.find_element(By.CSS_SELECTOR, "input[type=checkbox]").click()
            for button in (f"show-{step}", step):
                browser.find_element(By.CSS_SELECTOR, f"button[value={button}]").click()
                check(button)
            send(stack, graph_letter("a"))
    assert found == {}
