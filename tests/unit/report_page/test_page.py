"""What the report page says of an execution, and that nothing in it can do harm."""

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from ingestion.csv_files.rows import REASONS
from ingestion.ledger.attempts import Attempt
from ingestion.report_page.building import page_of
from ingestion.report_page.cost import transitions
from ingestion.report_page.recorded import CountedReason, Recorded
from ingestion.report_page.rendering import render, style_sheet
from tests.support.known_executions import (
    ENDINGS,
    FAILED,
    LOADED,
    NOW,
    REPORT,
    chunk,
    letter,
)
from tests.support.visited_states import BEGAN, visited


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
    assert "Superseded: a later row of the file has the same key" in said


HEADINGS = [
    *("What happened", "What needs to be done", "Timeline", "Chunks"),
    *("Rows that are not in the table", "File", "Executions of this load", "Actions on the load"),
    *("Earlier versions that this file replaced", "Stack", "Cost", "Report as JSON"),
]


def test_the_page_has_its_parts_in_order() -> None:
    attempt = Attempt(
        "week-csv", "arn", None, "uploads", "shops/week.csv", None, "FAILED", None, ""
    )
    known = replace(
        ENDINGS["limit"],
        attempts=[attempt],
        actions=[{"at": NOW.isoformat(), "action": "stop", "by": "ana", "reason": "wrong file"}],
        earlier=[{"version_id": "v1", "status": "SUCCEEDED", "started_at": NOW.isoformat()}],
        report=REPORT,
    )
    headings = re.findall(r"<h[23][^>]*>(.*?)</h[23]>", page(known))
    assert headings == HEADINGS
    assert "2026-11-24 03:01:00 UTC stop ana wrong file" in text_of(page(known))


def test_what_a_load_does_not_have_is_left_out() -> None:
    headings = re.findall(r"<h[23][^>]*>(.*?)</h[23]>", page(ENDINGS["refused"]))
    assert headings == [
        *("What happened", "What needs to be done", "Timeline", "File", "Stack", "Cost"),
    ]


def test_rows_are_counted_by_reason_with_lines_and_columns() -> None:
    said = text_of(page())
    assert (
        "60 superseded a later row of the file has the same key superseded "
        "2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 …" in said
    )
    assert "40 refused quantity the quantity is not a whole number" in said
    assert "bad_quantity 7, 8 …" in said
    assert "are listed in s3://work/refused-rows/week-csv/refused-rows.csv ." in said
    assert f"tickets refused week-csv {WHERE}" in said


WHERE = "--stack-name tickets --region eu-central-1"
REPLAY = f"tickets replay week-csv {WHERE}"
LONG = "week-48-csv-addbf4a4a253fa45"

# The verdict, and all commands under "What needs to be done". The first one does what
# `tickets dead-letters` names as the next step (tests/unit/cli/test_page_next_step.py).
SAID = {
    "loaded": ("Loaded", "The file was loaded in 9.0 s. The rows that are not", []),
    "already": ("Already Loaded", "The same bytes had been loaded before, as week-csv. Noth", []),
    "waited": ("Overtaken", "A later version of the file is loaded instead of this one.", []),
    "overtaken": (
        "Overtaken",
        "A later version of the file is loaded instead of this one. Before that, 1,100 rows were "
        "written. Those that only this version has stay in the table.",
        [],
    ),
    "running": ("Running", "The load has been running since 2026-11-24 03:00:00 UTC.", []),
    "refused": (
        "Refused",
        "The file was refused, and nothing was written. No column store.",
        [f"tickets dismiss week-csv {WHERE}"],
    ),
    "split": ("Failed", "Split File failed with AccessDenied: s3:GetObject.", [REPLAY]),
    "chunk": ("Failed", "1 of 2 chunks. 1,100 rows are in the table.", [REPLAY]),
    "limit": (
        "Failed",
        "40 of 1,200 rows are refused. 1,100 rows are in the table.",
        [f"tickets refused week-csv {WHERE}", REPLAY],
    ),
    "unreported": ("Refused", "The file was refused", [f"tickets dismiss week-csv {WHERE}"]),
    "timed out": (
        "Timed out",
        "The execution timed out. 1,100 rows are in the table.",
        [f"tickets replay {LONG} {WHERE}"],
    ),
    "stopped, waiting": (
        "Stopped",
        "The execution was stopped: `tickets stop` by arn:aws:iam::123456789012:user/ana: wrong",
        [f"tickets replay {LONG} {WHERE}"],
    ),
    "history full": (
        "Failed",
        "States.Runtime: The execution reached the maximum number of history events (25000).",
        [f"tickets replay {LONG} {WHERE}"],
    ),
    "too much data": (
        "Failed",
        "States.DataLimitExceeded: The state/task",
        [f"tickets replay {LONG} {WHERE}"],
    ),
    "redriven": ("Loaded", "The file was loaded in 96 h 08 min. Every row is in the", []),
}


@pytest.mark.parametrize("ending", SAID)
def test_the_verdict_and_what_needs_to_be_done(ending: str) -> None:
    heading, verdict, commands = SAID[ending]
    known = page_of(ENDINGS[ending], NOW)
    assert known.verdict.heading == heading
    assert known.verdict.text.startswith(verdict)
    assert [step.command for step in known.next_steps if step.command] == commands
    said = text_of(page(ENDINGS[ending]))
    assert all(command in said for command in commands)


def test_the_reasons_of_a_file_and_the_errors_of_chunks_are_listed() -> None:
    said = text_of(page(ENDINGS["refused"]))
    assert "line 1, store: No column store. missing_column" in said
    assert "line 1, product: Two product. repeated_column" in said
    assert "chunk 1: Role w may not write. AccessDenied" in text_of(page(ENDINGS["chunk"]))


def test_an_only_reason_is_not_said_twice() -> None:
    assert text_of(page(ENDINGS["unreported"])).count("No column store.") == 1


def test_a_file_that_can_be_read_later_is_replayed() -> None:
    reason = {"reason": "access_denied", "detail": "S3 denies access.", "line": None}
    refused = ("Describe Refusal", letter("FileRefused", reasons=[reason], cause="-"))
    known = replace(FAILED, states=visited("Validate File", refused, "Load Failed"))
    assert [step.command for step in page_of(known, NOW).next_steps][-1] == REPLAY


def test_a_load_that_is_loaded_meanwhile_needs_a_replay_only_to_delete_its_message() -> None:
    known = replace(ENDINGS["refused"], load={"status": "SUCCEEDED"})
    [step] = page_of(known, NOW).next_steps
    assert (step.command, "a replay starts nothing" in step.text) == (REPLAY, True)


def test_a_cause_that_quotes_the_input_of_a_state_is_cut() -> None:
    verdict = page_of(ENDINGS["no path"], NOW).verdict.text
    assert verdict.startswith("States.Runtime: An error occurred while executing the state")
    assert len(verdict) < 700


def test_visits_to_a_state_are_one_line_with_their_pieces_of_the_timeline() -> None:
    [waits] = [
        one for one in page_of(ENDINGS["history full"], NOW).states if one.result == "waited"
    ]
    assert (waits.name, waits.times, waits.took) == ("Wait For Turn", 3, "29 min 57 s")
    assert waits.meaning == "Waits for other loads."
    # They began 4, 604 and 1,204 seconds after the start of 1,803 seconds, and took 599 each.
    # Pieces with hardly anything between them are one piece.
    [piece] = waits.spans
    assert [piece.left, piece.width] == pytest.approx([4 / 1803, 1799 / 1803])
    # The tenth and the thirteenth of 18 seconds.
    lines = page_of(ENDINGS["settled"], NOW).states
    settling = next(one for one in lines if one.name == "Settle Equal Keys")
    assert [piece.left for piece in settling.spans] == pytest.approx([9 / 18, 12 / 18])


def test_a_redriven_execution_goes_on_in_the_state_that_timed_out() -> None:
    [line] = [one for one in page_of(ENDINGS["redriven"], NOW).states if one.name == "Write Chunks"]
    assert (line.outcome, line.result, line.tries) == ("succeeded", "3 of 3 chunks written", 2)


def test_the_time_of_a_chunk_is_a_share_of_the_whole_time() -> None:
    [first, second] = page_of(LOADED, NOW).chunks
    [one], [other] = first.spans, second.spans
    assert [one.left, one.width] == pytest.approx([0, 2 / 9])
    assert [other.left, other.width] == pytest.approx([2 / 9, 2 / 9])
    assert (second.began, second.took) == ("2.0 s", "2.0 s")
    assert (second.rows, second.rows_per_second, second.throttles) == (600, 275, 3)


def test_what_an_earlier_execution_wrote_is_not_on_the_timeline_of_this_one() -> None:
    later = replace(LOADED, started_at=BEGAN + timedelta(seconds=1))
    [before, now] = page_of(later, NOW).chunks
    assert (before.finished, before.spans, before.took) == ("before", [], "")
    assert (now.finished, now.took) == ("yes", "2.0 s")
    assert dict(page_of(later, NOW).cost)["Writes to the table"].startswith("550 (")


# "What a load costs" in docs/operations.md: 8 transitions for a small file, 11 for another one
# without equal keys, 4 for each chunk. Retries count, and so does what a redrive schedules again.
@pytest.mark.parametrize(
    ("ending", "number"),
    [("small", 8), ("loaded", 11 + 2 * 4), ("split", 8 + 2), ("redriven", 11 + 1 + 3 * 4)],
)
def test_state_transitions_are_those_that_are_charged(ending: str, number: int) -> None:
    assert transitions(ENDINGS[ending]) == number


def test_a_chunk_that_took_several_calls_has_more_transitions() -> None:
    [first] = chunk(0).rounds
    known = replace(LOADED, chunks=[chunk(0, rounds=[first, first, first]), chunk(1)])
    assert transitions(known) == 11 + (4 + 2 * 2) + 4


def test_the_cost_is_at_list_prices() -> None:
    amounts = dict(page_of(LOADED, NOW).cost)
    assert amounts["Writes to the table"] == "1,100 ($0.000688)"  # $0.625 per million
    assert amounts["State transitions"] == "19 ($0.000475)"  # $25 per million
    # 5 s of its own calls and 4 s of its chunks, of 1.7275 GB at $0.0000133334 per GB-second
    assert amounts["Time of functions"] == "9.0 s ($0.000207)"
    assert amounts["In all"] == "$0.001370"


# --- size


def test_ten_thousand_chunks_fit_into_200_kb() -> None:
    chunks = [chunk(index, finished=index != 5000) for index in range(10_000)]
    known = replace(LOADED, chunks=chunks, stopped_at=BEGAN + timedelta(seconds=20_000))
    made = page(known)
    assert len(made.encode()) < 200_000
    groups = page_of(known, NOW).chunks
    assert len(groups) == 250
    assert [one.chunks for one in groups if one.finished != "40 of 40"] == ["5,000 to 5,039"]


def test_a_history_of_25000_events_has_a_short_page() -> None:
    waits = ["Take Turn", "Whose Turn?", "Wait For Turn"] * 2500
    known = replace(
        LOADED,
        states=visited("Validate File", "File Accepted?", *waits),
        stopped_at=BEGAN + timedelta(seconds=7502),
    )
    assert len(page(known).encode()) < 130_000


def test_results_that_are_never_the_same_are_grouped_by_state() -> None:
    settling = [
        (
            "Settle Equal Keys",
            {"output": {"equal_keys": {"state": "unfinished", "rows_superseded": number}}},
        )
        for number in range(300)
    ]
    [first, second] = page_of(replace(LOADED, states=visited("Reconcile", *settling)), NOW).states
    assert (first.name, first.times) == ("Reconcile", 1)
    assert (second.name, second.times) == ("Settle Equal Keys", 300)
    assert second.result == "299 rows superseded by later chunks so far"


def test_many_reasons_are_summed_up() -> None:
    reasons = [CountedReason(f"column {n}", "too_long", 100 - n, [n]) for n in range(90)]
    made = page_of(replace(LOADED, reasons=reasons, reasons_read=200_000), NOW)
    assert [one.column for one in made.reasons] == [f"column {n}" for n in range(40)]
    # 60 + 59 + ... + 11
    assert made.reasons_note == (
        "1,775 more rows have 50 other columns or reasons. Only the first 200,000 rows were "
        "counted. The list has them all."
    )


def test_a_page_with_as_much_as_it_can_hold_has_at_most_200_kb() -> None:
    attempt = Attempt(
        "week-48-csv-addbf4a4a253fa45-r9", "arn", None, "b", "k", None, "FAILED", None, "2026-11-24"
    )
    attempt = replace(attempt, started_by="a" * 90, why="replay", reason="x" * 100)
    report = {f"kind {n}": {"rows": n, "meaning": "x" * 100} for n in range(110)}
    known = replace(
        ENDINGS["limit"],
        chunks=[chunk(index, throttles=12345, rows_read=1_234_567) for index in range(10_000)],
        stopped_at=BEGAN + timedelta(seconds=20_000),
        attempts=[attempt] * 100,
        report=json.dumps(report).encode(),
        reasons=[
            CountedReason(
                f"column {n}", "bad_quantity", 10**6, [10**9] * 20, REASONS["bad_quantity"]
            )
            for n in range(100)
        ],
    )
    assert page_of(known, NOW).report
    assert len(page(known).encode()) < 200_000


def test_a_large_report_is_named_and_not_shown() -> None:
    report = json.dumps({"warnings": {f"kind {n}": {"rows": n} for n in range(5000)}}).encode()
    known = replace(LOADED, report=report)
    assert len(page(known).encode()) < 100_000
    said = text_of(page(known))
    assert f"SHA-256 {hashlib.sha256(report).hexdigest()}" in said
    assert "s3://work/reports/week-csv.json" in said
    assert "too large for this page" in said


def test_the_report_is_shown_with_its_digest() -> None:
    said = text_of(page())
    assert f"SHA-256 {hashlib.sha256(REPORT).hexdigest()}" in said
    assert json.dumps(json.loads(REPORT), indent=2) in html.unescape(page())


def test_the_next_command_finds_a_local_stack() -> None:
    facts = {"Stack": "tickets", "Region": "us-east-1", "Endpoint": "http://127.0.0.1:4566"}
    made = page_of(replace(ENDINGS["split"], stack=facts), NOW)
    assert made.next_steps[-1].command == (
        "tickets replay week-csv --stack-name tickets --region us-east-1 "
        "--endpoint-url http://127.0.0.1:4566"
    )


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
    reason = {"line": 1, "column": EVIL, "reason": EVIL, "detail": EVIL}
    refused = letter("FileRefused", reasons=[reason, reason], cause=EVIL)
    evil = replace(
        FAILED,
        execution=EVIL,
        execution_input={"bucket": EVIL, "key": EVIL},
        states=visited(("Validate File", {"error": EVIL}), ("Describe Refusal", refused)),
        load=dict.fromkeys(("bucket", "key", "version_id", "etag", "uploader"), EVIL),
        reasons=[CountedReason(EVIL, EVIL, 1, [1], EVIL)],
        attempts=[Attempt(EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, NOW.isoformat())],
        actions=[{"at": NOW.isoformat(), **dict.fromkeys(("action", "by", "reason"), EVIL)}],
        earlier=[{"version_id": EVIL, "status": EVIL, "started_at": NOW.isoformat()}],
        stack={EVIL: EVIL},
        report=json.dumps({EVIL: EVIL}).encode(),
    )
    made = page(evil)
    assert made.count("<img") == 0
    harmless = {tag for one in ("refused", "limit") for tag, _ in elements(page(ENDINGS[one]))}
    assert {tag for tag, _ in elements(made)} <= harmless | {"details", "summary", "h3"}
    assert "{{7*7}}" in html.unescape(made)


def test_nothing_is_requested_and_nothing_runs() -> None:
    for tag, attributes in elements(page()) + elements(page(FAILED)):
        assert tag not in ("script", "link", "img", "iframe", "object", "form")
        assert not {"src", "style"} & attributes.keys()
        assert str(attributes.get("href", "#")).startswith("#")
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
