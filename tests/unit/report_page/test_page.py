"""What the report page says of an execution, and that nothing in it can do harm."""

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from ingestion.ledger.attempts import Attempt
from ingestion.report_page.building import page_of
from ingestion.report_page.recorded import Recorded, UnlistedReason
from ingestion.report_page.rendering import render, style_sheet
from tests.support.known_executions import FAILED, LOADED, NOW, REPORT, chunk
from tests.support.visited_states import visited


def text_of(page: str) -> str:
    """The text of a page as a reader sees it, in one line."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def page(known: Recorded = LOADED) -> str:
    return render(page_of(known, NOW))


def test_the_verdict_and_the_equation_come_first() -> None:
    said = text_of(page())
    assert "Loaded The file was loaded in 9.0 s." in said
    assert "1,200 rows read = 1,100 written + 60 superseded + 40 refused" in said
    assert said.index("rows read") < said.index("What happened")


def test_rows_are_counted_by_reason_with_lines_and_columns() -> None:
    said = text_of(page())
    assert "60 superseded superseded 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 …" in said
    assert "40 refused quantity bad_quantity 7, 8" in said
    assert "s3://work/refused-rows/week-csv/refused-rows.csv tickets refused week-csv" in said


def test_a_failure_says_why_and_what_to_do() -> None:
    said = text_of(page(FAILED))
    assert "Failed Split File failed with AccessDenied: s3:GetObject." in said
    assert "tickets replay week-csv" in said
    assert said.index("What to do") < said.index("What happened")


@pytest.mark.parametrize(
    ("status", "heading"), [("TIMED_OUT", "Timed out"), ("ABORTED", "Stopped")]
)
def test_an_execution_that_step_functions_ended(status: str, heading: str) -> None:
    ended = replace(
        LOADED,
        status=status,
        states=visited("Validate File", ("Split File", {"stopped_at": None})),
        error="Stopped",
        cause="`tickets stop`.",
    )
    said = text_of(page(ended))
    assert f"{heading} Stopped: `tickets stop`. 1,100 rows are in the table." in said


def test_the_time_of_a_chunk_is_a_share_of_the_whole_time() -> None:
    [first, second] = page_of(LOADED, NOW).chunks
    assert [first.bar.left, first.bar.width] == pytest.approx([0, 2 / 9])
    assert [second.bar.left, second.bar.width] == pytest.approx([2 / 9, 2 / 9])
    assert (second.bar.began, second.bar.took) == ("2.0 s", "2.0 s")
    assert (second.rows, second.rows_per_second, second.throttles) == (600, 300, 3)


def test_ten_thousand_chunks_fit_into_200_kb() -> None:
    chunks = [chunk(index, finished=index != 5000) for index in range(10_000)]
    made = page(replace(LOADED, chunks=chunks))
    assert len(made.encode()) < 200_000
    groups = page_of(replace(LOADED, chunks=chunks), NOW).chunks
    assert len(groups) == 250
    assert [one.chunks for one in groups if one.finished != "40 of 40"] == ["5,000 to 5,039"]


def test_a_load_that_waited_a_thousand_times_has_a_short_page() -> None:
    waits = ["Take Turn", "Whose Turn?", "Wait For Turn"] * 1000
    waited = replace(LOADED, states=visited("Validate File", "File Accepted?", *waits))
    assert len(page(waited).encode()) < 100_000


def test_the_report_is_shown_with_its_digest() -> None:
    said = text_of(page())
    assert f"SHA-256 {hashlib.sha256(REPORT).hexdigest()}" in said
    assert json.dumps(json.loads(REPORT), indent=2) in html.unescape(page())


# --- safety

EVIL = "<img src=x onerror=alert(1)>\"'&{{7*7}}"


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(made: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Elements()
    parser.feed(made)
    return parser.found


def test_names_are_text_wherever_they_stand() -> None:
    evil = replace(
        FAILED,
        execution=EVIL,
        execution_input={"bucket": EVIL, "key": EVIL},
        load=dict.fromkeys(("bucket", "key", "version_id", "etag", "uploader"), EVIL),
        reasons=[UnlistedReason(EVIL, EVIL, 1, [1])],
        attempts=[Attempt(EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, NOW.isoformat())],
        stack={EVIL: EVIL},
        report=json.dumps({EVIL: EVIL}).encode(),
    )
    made = page(evil)
    assert made.count("<img") == 0
    assert {tag for tag, _ in elements(made)} == {tag for tag, _ in elements(page(FAILED))} | {
        "details",
        "summary",
    }
    assert "{{7*7}}" in html.unescape(made)


def test_nothing_is_requested_and_nothing_runs() -> None:
    for tag, attributes in elements(page()):
        assert tag not in ("script", "link", "img", "iframe", "object", "form", "a")
        assert not {"src", "href", "style"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]


def test_the_policy_allows_the_style_sheet_only() -> None:
    [policy] = [
        attributes["content"]
        for tag, attributes in elements(page())
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    digest = base64.b64encode(hashlib.sha256(style_sheet().encode()).digest()).decode()
    assert policy is not None
    assert policy.split("; ")[:2] == ["default-src 'none'", f"style-src 'sha256-{digest}'"]
    [style] = re.findall(r"<style>(.*?)</style>", page(), flags=re.DOTALL)
    assert style == style_sheet()
