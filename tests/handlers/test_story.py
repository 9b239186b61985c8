"""What a load logs: a line for each step, and the metrics of its end."""

import ast
import gzip
import json
import logging
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ingestion import telemetry
from tests.support.cloud import Cloud
from tests.support.states import all_states
from tools import definition

FUNCTIONS = Path(__file__).parents[2] / "functions"
HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"
GOOD = b"marked-T%d,marked-tea,marked-B,2026-01-01T10:00,marked-drinks,2,marked-S\n"
BAD = b"marked-X,marked-tea,marked-B,marked-never,marked-drinks,2,marked-S\n"


def metrics(printed: Any) -> Any:
    """The one record in embedded metric format that was printed: (record, its directive)."""
    [record] = [json.loads(line) for line in printed.splitlines() if '"_aws"' in line]
    [directive] = record["_aws"]["CloudWatchMetrics"]
    return record, directive


def records(caplog: pytest.LogCaptureFixture) -> list[Any]:
    """The log's records, which have the fields of a step as attributes."""
    return list(caplog.records)


def values(record: Any, directive: Any) -> Any:
    # The format gives each metric as a list of its values.
    return {one["Name"]: record[one["Name"]] for one in directive["Metrics"]}


def test_a_load_that_succeeds_measures_itself_once(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    body = HEADER + GOOD % 1 + GOOD % 1 + GOOD % 2 + BAD
    cloud.load(cloud.put(body))
    record, directive = metrics(capsys.readouterr().out)
    assert directive["Namespace"] == "TicketLoader"
    assert [sorted(one) for one in directive["Dimensions"]] == [["Outcome", "service"]]
    assert (record["service"], record["Outcome"]) == ("tickets", "Succeeded")
    found = values(record, directive)
    [seconds] = found.pop("Duration")
    assert seconds > 0
    assert found.pop("Throttles") == [0]
    assert found == {
        "RowsRead": [4],
        "RowsWritten": [2],
        "RowsSuperseded": [1],
        "RowsCombined": [0],
        "RowsRefused": [1],
        "Bytes": [len(body)],
    }


def test_a_metric_has_its_unit(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.load(cloud.put(HEADER + GOOD % 1))
    _, directive = metrics(capsys.readouterr().out)
    units = {one["Name"]: one["Unit"] for one in directive["Metrics"]}
    assert (units.pop("Bytes"), units.pop("Duration")) == ("Bytes", "Seconds")
    assert set(units.values()) == {"Count"}


def test_the_duration_is_that_of_the_execution(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls(2025, 11, 24, 9, 1, 5, 118_000, tz)

    monkeypatch.setattr(telemetry, "datetime", Clock)
    cloud.load(cloud.put(HEADER + GOOD % 1))  # started at 9:00:05.118, see conftest.py
    record, _ = metrics(capsys.readouterr().out)
    assert record["Duration"] == [60]


def test_an_execution_that_began_before_an_update_of_the_stack_is_not_failed_by_its_story(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The execution has the old definition, which passes neither its name nor its start, and the
    new functions."""
    caplog.set_level(logging.INFO, "ingestion.telemetry")
    cloud.machine = definition.load()
    for state in all_states(cloud.machine).values():
        for given in (
            state.get("Parameters", {}).get("Payload", {}),
            state.get("ItemSelector", {}),
        ):
            given.pop("execution.$", None)
            given.pop("started_at.$", None)
    state = cloud.load(cloud.put(HEADER + GOOD % 1))
    assert state["result"]["complete"]
    record, directive = metrics(capsys.readouterr().out)
    assert record["RowsWritten"] == [1]
    assert "Duration" not in values(record, directive)
    assert {one.load_id for one in records(caplog)} == {state["load_id"]}


def test_a_load_that_fails_says_so(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.load(cloud.put(HEADER + GOOD % 1 + BAD * 2))
    record, _ = metrics(capsys.readouterr().out)
    assert (record["Outcome"], record["RowsRead"], record["RowsRefused"]) == ("Failed", [3], [2])


def test_a_load_that_is_overtaken_says_so(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    older, chunks = cloud.plan(cloud.put(HEADER + GOOD % 1))
    newer, _ = cloud.plan(cloud.put(HEADER + GOOD % 2))
    assert cloud.take_turn(older) == cloud.take_turn(newer) == "mine"
    assert cloud.write(older, chunks[0])["overtaken"]
    cloud.reconcile(older)
    record, _ = metrics(capsys.readouterr().out)
    assert record["Outcome"] == "Overtaken"


def test_every_step_tells_its_execution_and_its_load_in_one_line(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ingestion.telemetry")
    state = cloud.load(cloud.put(gzip.compress(HEADER + GOOD % 1)))
    lines = [one for one in records(caplog) if one.name == "ingestion.telemetry"]
    assert [one.message for one in lines] == [
        "Validate File",
        "Split File",
        "Take Turn",
        "Write Chunk",
        "Reconcile",
    ]
    for one in lines:
        assert (one.levelname, one.execution) == ("INFO", "by-hand")
        assert one.load_id == state["load_id"]
    validated, split, turn, chunk, reconciled = lines
    assert (validated.verdict, validated.small) == ("accepted", False)
    assert (split.chunks, turn.turn) == (1, "mine")
    assert (chunk.chunk, chunk.finished, chunk.rows_written) == (0, True, 1)
    assert (reconciled.outcome, reconciled.RowsRead, reconciled.RowsWritten) == ("Succeeded", 1, 1)


def test_a_small_file_has_fewer_steps(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ingestion.telemetry")
    cloud.load(cloud.put(HEADER + GOOD % 1))
    lines = [one for one in records(caplog) if one.name == "ingestion.telemetry"]
    assert [one.message for one in lines] == ["Validate File", "Write Chunk", "Reconcile"]
    assert lines[0].small


def test_an_upload_tells_which_execution_it_started(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ingestion.telemetry")
    path = Path(__file__).parents[2] / "events" / "start_execution" / "s3_put.json"
    event = json.loads(path.read_text(encoding="utf-8"))
    cloud.call("start_execution", event)
    [line] = [one for one in records(caplog) if one.name == "ingestion.telemetry"]
    [started] = cloud.executions()
    assert (line.message, line.execution) == ("Start Execution", started["name"])
    assert line.message_id == event["Records"][0]["messageId"]


def test_a_refused_file_tells_its_verdict(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ingestion.telemetry")
    cloud.validate(cloud.put(b"marked,columns\n"))
    [line] = [one for one in records(caplog) if one.name == "ingestion.telemetry"]
    assert line.verdict == "refused"


def test_nothing_that_is_told_holds_a_rows_value(
    cloud: Cloud, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Checks every level and every logger except botocore's, because a function logs from INFO
    on."""
    caplog.set_level(logging.INFO)
    cloud.load(cloud.put(HEADER + GOOD % 1 + GOOD % 1 + BAD))
    told = [str(vars(one)) for one in caplog.records]
    printed = capsys.readouterr()
    assert "RowsRead" in printed.out
    assert told
    assert "marked" not in printed.out + printed.err + "".join(told)


def importing(name: Any) -> Any:
    """Files of functions/ that import a package."""
    found = set()
    for path in FUNCTIONS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(f"{one}.".startswith(f"{name}.") for one in names):
                found.add(path.relative_to(FUNCTIONS).as_posix())
    return found


def test_powertools_is_imported_where_metrics_are_sent_and_nowhere_else() -> None:
    """It costs every cold start that imports it some 50 ms."""
    assert importing("aws_lambda_powertools") == {"ingestion/metrics.py"}


def pins(path: Any, comment: str = "#") -> Any:
    lines = (Path(__file__).parents[2] / path).read_text(encoding="utf-8").splitlines()
    pinned = (line.split(comment)[0].split(";")[0].strip() for line in lines)
    return {line for line in pinned if "==" in line}


def test_lambda_gets_exactly_what_the_tests_run_with() -> None:
    assert pins("functions/requirements.txt")
    assert pins("functions/requirements.txt") <= pins("requirements/runtime.lock")


@pytest.mark.parametrize("handler", ["split_file", "take_turn", "reconcile"])
def test_every_fact_of_a_line_has_a_name_that_logging_leaves_free(handler: str) -> None:
    """`extra` with a name of LogRecord's own raises KeyError, at INFO only."""
    taken = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
    tree = ast.parse((FUNCTIONS / "handlers" / f"{handler}.py").read_text(encoding="utf-8"))
    told = [
        keyword.arg
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "log_step"
        for keyword in node.keywords
    ]
    assert told
    assert not taken & set(told)
