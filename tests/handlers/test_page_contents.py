"""What Write Report Page finds out about executions and their loads."""

import json
import re
from datetime import UTC, datetime

import pytest

from ingestion.ledger.actions import Actions
from ingestion.report_page.building import page_of
from ingestion.report_page.content import Page
from ingestion.report_page.recorded import Recorded
from tests.support.cloud import Cloud
from tests.support.page_writer import pages_on, remember
from tests.support.state_machine import Execution
from tests.support.step_functions import EXECUTION, StepFunctions

HEADER = "ticket_id;product;basket_id;timestamp;category;quantity;store\n"
NOW = datetime(2026, 11, 24, 3, 1, tzinfo=UTC)


def row(ticket: str, quantity: str = "1") -> str:
    return f"{ticket};Soap;B1;2026-03-01T12:00Z;Home;{quantity};Lyon\n"


ROWS = "".join(row(f"T{n}") for n in range(60))
# Line 62 is refused, and line 2 is superseded by line 63.
FILE = (HEADER + ROWS + row("T98", "many") + row("T0")).encode()


@pytest.fixture
def step_functions() -> StepFunctions:
    return StepFunctions()


def known(cloud: Cloud, step_functions: StepFunctions, execution: Execution) -> Recorded:
    found, _ = pages_on(cloud, step_functions).recorded(remember(step_functions, execution))
    return found


def page(cloud: Cloud, step_functions: StepFunctions, execution: Execution) -> Page:
    return page_of(known(cloud, step_functions, execution), NOW)


def test_a_load_is_known_with_its_file_its_rows_and_its_report(
    cloud: Cloud, step_functions: StepFunctions
) -> None:
    given = cloud.put(FILE, key="shops/a.csv")
    made = page(cloud, step_functions, cloud.run(given))
    assert made.counts is not None
    report = json.loads(made.report)
    numbers = made.counts.read, made.counts.written, made.counts.superseded, made.counts.refused
    assert numbers == (62, 60, 1, 1)
    assert numbers == tuple(
        report[f"rows_{name}"] for name in ("read", "written", "superseded", "refused")
    )
    assert [(one.outcome, one.column, one.reason, one.lines) for one in made.reasons] == [
        ("superseded", "", "superseded", [2]),
        ("refused", "quantity", "bad_quantity", [62]),
    ]
    assert made.reasons[0].meaning == "a later row of the file has the same key"
    facts = dict(made.file)
    assert facts["Key"] == "shops/a.csv"
    assert facts["Version"] == given["version_id"]
    assert facts["ETag"] == given["etag"]
    assert (facts["Encoding"], facts["Delimiter"]) == ("UTF-8", "semicolon")
    assert facts["Size"] == f"2.7 kB ({len(FILE):,} bytes)"
    assert facts["Source"] == "tickets"
    assert re.fullmatch("[0-9a-f]{64}", facts["SHA-256 of the source"])
    # 15, and 4 for each of 9 chunks: "What a load costs" in docs/operations.md.
    assert dict(made.cost)["State transitions"] == "51 ($0.001275)"
    assert dict(made.cost)["Writes to the table"] == "61 ($0.000038)"


def test_an_execution_that_found_the_file_loaded_is_among_those_of_its_load(
    cloud: Cloud, step_functions: StepFunctions
) -> None:
    given = cloud.put(FILE)
    first = cloud.run(given)
    remember(step_functions, first)
    made = page(cloud, step_functions, cloud.run(given, name="again"))
    assert made.verdict.heading == "Already Loaded"
    assert {(one.execution, one.is_this, one.ended) for one in made.attempts} == {
        ("first", False, "Loaded"),
        ("again", True, "Already Loaded"),
    }
    # What the earlier execution did is not on this one's timeline, but its list of rows is named.
    assert (made.chunks, made.listed_rows) == ([], first.data["result"]["refused_rows"])
    assert dict(made.cost)["Writes to the table"] == "0 ($0)"


def test_an_earlier_version_and_what_people_did_are_known(
    cloud: Cloud, step_functions: StepFunctions
) -> None:
    cloud.run(cloud.put(FILE))
    later = cloud.run(cloud.put(FILE + row("T99").encode()), name="later")
    Actions(cloud.dynamodb, cloud.ledger_table).record(
        later.data["load_id"], "undo", "ana", "wrong prices"
    )
    made = page(cloud, step_functions, later)
    [(_, earlier)] = made.earlier
    assert earlier.endswith(": SUCCEEDED, 60 rows written")
    [action] = made.actions
    assert (action.what, action.who, action.why) == ("undo", "ana", "wrong prices")


def test_an_attempt_that_could_not_record_its_end_has_that_of_step_functions(
    cloud: Cloud, step_functions: StepFunctions
) -> None:
    given = cloud.put(FILE)
    stopped = cloud.start(given, "stopped")
    cloud.call("validate_file", stopped.event)
    step_functions.add("stopped", "ABORTED")
    second = cloud.run(given, name="second")
    names = {"stopped": "ABORTED", "second": "Loaded"}
    for forgotten in (False, True):
        if forgotten:
            del step_functions.described["stopped"]
            names["stopped"] = "UNKNOWN"
        made = page(cloud, step_functions, second)
        found = {one.execution: one.ended for one in made.attempts}
        assert found == names


def test_a_page_is_written_again_if_the_execution_ends_again_meanwhile(
    cloud: Cloud, step_functions: StepFunctions
) -> None:
    execution = cloud.run(cloud.put(FILE))
    arn = remember(step_functions, execution)
    pages = pages_on(cloud, step_functions)
    written = []
    put = pages._put

    def redriven_meanwhile(key: str, body: bytes, content_type: str) -> None:
        put(key, body, content_type)
        written.append(key)
        if len(written) == 2:  # a redrive ends, after this page was made and before it is checked
            step_functions.described["first"]["stopDate"] = NOW

    pages._put = redriven_meanwhile  # type: ignore[method-assign]
    pages.write(arn)
    assert written == ["reports/first.history.jsonl", "reports/first.html"] * 2
    assert "to 2026-11-24 03:01:00 UTC" in cloud.read(cloud.work, "reports/first.html").decode()


def test_an_execution_that_step_functions_has_deleted_has_no_page(
    cloud: Cloud, step_functions: StepFunctions
) -> None:
    pages = pages_on(cloud, step_functions)
    with pytest.raises(step_functions.client.exceptions.ExecutionDoesNotExist):
        pages.recorded(f"{EXECUTION}:gone")
