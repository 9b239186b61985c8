"""The history of a load's executions, as `tickets loads`, `executions` and `show` print it."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion.contracts import LoadRequest
from ingestion.ledger.actions import Actions
from ingestion.ledger.attempts import ALREADY_LOADED
from ingestion.ledger.chunks import ChunkProgress, Chunks
from ingestion.ledger.loads import Loads
from tests.support.command_line import assert_sentence, lines, tickets
from tests.support.step_functions import CALLER, EXECUTION, RESULT, StepFunctions
from tests.support.terminal import shown_by
from tickets.runs.stack import Stack

PERSON = "arn:aws:iam::123456789012:user/ana"
COUNTS = ("rows_read", "rows_written", "rows_superseded", "rows_refused")


@pytest.fixture
def loads(stack: Stack) -> Loads:
    return Loads(stack.client("dynamodb"), "ledger")


def ago(**time: float) -> str:
    return (datetime.now(UTC) - timedelta(**time)).isoformat()


def begin(
    loads: Loads,
    name: str,
    started: str,
    load_id: str | None = "one",
    key: str = "a.csv",
    **by: Any,
) -> None:
    """An execution as Validate File opens it. Without `by`, it is that of an upload."""
    uploader = None if by else "AWS:AIDA"
    request = LoadRequest("uploads", key, "v1", "e", 5, uploader, **by)
    loads.attempts.open(f"{EXECUTION}:{name}", request, started, load_id)
    if load_id is not None:
        facts = {"bucket": "uploads", "key": key, "object_url": f"s3://uploads/{key}"}
        more = {"version_id": "v1", "size": 5, "uploader": "AWS:AIDA"}
        loads.open_load(load_id, {**facts, **more}, f"{EXECUTION}:{name}")


def failed_then_replayed(loads: Loads) -> None:
    begin(loads, "one", ago(hours=3))
    short = {**RESULT, "rows_written": 60, "summary": "1 of 2 chunks.", "report": "s3://work/1"}
    loads.close_load("one", "FAILED", short, "one")
    begin(loads, "one-r1", ago(hours=1), why="replay", started_by=PERSON, reason="role fixed")
    loads.close_load("one", "SUCCEEDED", RESULT, "one-r1")


def old_load(loads: Loads, load_id: str, days: int, key: str = "a.csv") -> None:
    """A load of a release that recorded no attempts."""
    url = {"bucket": "uploads", "key": key, "object_url": f"s3://uploads/{key}"}
    facts = {**url, "version_id": None, "size": 5}
    loads.open_load(load_id, facts, f"{EXECUTION}:{load_id}")
    loads.close_load(load_id, "SUCCEEDED", RESULT)
    started = ago(days=days).replace("+00:00", "Z")
    loads.note(load_id, {"started_at": started})


def names(*arguments: str) -> list[str]:
    listed = lines(tickets("loads", "--json", *arguments))
    return [one["load_id"] or one["execution"] for one in listed]


def table(*arguments: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(tickets("loads", "--csv", *arguments).stdout)))


# ---------------------------------------------------------------- tickets loads


def test_a_load_names_who_loaded_it_and_each_attempt_keeps_its_numbers(loads: Loads) -> None:
    failed_then_replayed(loads)
    (load,) = lines(tickets("loads", "--json"))
    assert (load["execution"], load["why"], load["reason"]) == ("one-r1", "replay", "role fixed")
    assert (load["started_by"], load["uploader"], load["ending"]) == (PERSON, "AWS:AIDA", "Loaded")
    first, second = load["attempts"]
    assert (first["why"], first["status"], first["error"]) == ("upload", "FAILED", "1 of 2 chunks.")
    assert [first["rows_written"], second["rows_written"]] == [60, 97]
    assert [first["report"], second["report"]] == ["s3://work/1", RESULT["report"]]
    text = shown_by("loads")
    assert "\n  one: Load Failed, started " in text
    assert " by an upload by AWS:AIDA\n" in text
    assert f" by {PERSON} (replay): role fixed\n" in text


def test_each_attempt_is_a_line_of_csv_for_an_auditor(loads: Loads) -> None:
    failed_then_replayed(loads)
    second, first = table("--attempts")
    assert (first["execution"], first["started_by"], first["ending"]) == ("one", "", "Load Failed")
    assert (second["execution"], second["started_by"]) == ("one-r1", PERSON)
    assert [one["rows_written"] for one in (first, second)] == ["60", "97"]
    (load,) = table()
    assert (load["load_id"], load["status"], load["rows_written"]) == ("one", "SUCCEEDED", "97")


def test_a_formula_in_a_reason_stays_a_text(loads: Loads) -> None:
    begin(loads, "one", ago(hours=1), why="ingest", reason="=cmd()")
    (load,) = table()
    assert load["reason"] == "'=cmd()"


def test_what_never_became_a_load_is_listed_too(loads: Loads) -> None:
    begin(loads, "gone", ago(hours=2), None, "gone.csv", why="ingest", started_by=PERSON)
    loads.attempts.close("gone", "Load Failed", {"summary": "The object does not exist."})
    begin(loads, "one", ago(hours=1))
    loads.close_load("one", "SUCCEEDED", RESULT, "one")
    assert names() == ["one", "gone"]
    assert names("--status", "failed") == ["gone"]
    text = shown_by("loads", "--key", "gone.csv")
    assert text.startswith("gone.csv  FAILED  gone\n")
    assert "why: The object does not exist.\n" in text


def test_an_execution_that_could_not_even_record_its_end_is_completed(
    step_functions: StepFunctions, loads: Loads
) -> None:
    begin(loads, "denied", ago(hours=2), None)
    step_functions.add("denied", "FAILED", error="LoadFailed", cause="AccessDenied")
    (load,) = lines(tickets("loads", "--json"))
    assert (load["status"], load["error"]) == ("FAILED", "LoadFailed: AccessDenied")


def test_lists_are_limited_by_key_status_and_time(loads: Loads) -> None:
    for name, key, days, status in (
        ("old", "other.csv", 9, "SUCCEEDED"),
        ("middle", "shops/lyon/b.csv", 3, "FAILED"),
        ("new", "shops/a.csv", 1, "SUCCEEDED"),
    ):
        begin(loads, name, ago(days=days), name, key)
        loads.close_load(name, status, {**RESULT, "summary": "Why."}, name)
    assert names() == ["new", "middle", "old"]
    assert names("--limit", "2") == ["new", "middle"]
    assert names("--since", "4d") == ["new", "middle"]
    assert names("--until", "2d") == ["middle", "old"]
    assert names("--since", "4d", "--until", "2d") == ["middle"]
    assert names("--status", "FAILED") == ["middle"]
    assert names("--status", "SUCCEEDED", "--limit", "1") == ["new"]
    assert names("--key", "shops/*.csv") == ["new"]
    assert names("--key", "shops/**") == ["new", "middle"]
    assert names("--key", "s3://uploads/*.csv") == ["old"]
    assert names("--key", "other.csv") == ["old"]
    assert names("--since", "2d", "--until", "3d") == []
    day = (datetime.now(UTC).astimezone() - timedelta(days=3)).date().isoformat()
    assert names("--since", day, "--until", day) == ["middle"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--csv", "--json"), "--csv and --json can't be used together"),
        (("--status", "LOADED"), "--status LOADED is not one of RUNNING, SUCCEEDED"),
        (("--until", "soon"), "--until soon is neither a duration nor a date"),
    ],
)
def test_wrong_use_is_one_sentence(stack: Stack, arguments: list[str], words: str) -> None:
    assert_sentence(tickets("loads", *arguments), words)


def test_loads_of_an_earlier_release_are_found(loads: Loads) -> None:
    old_load(loads, "old", 40)
    old_load(loads, "older", 50, "b.csv")
    assert names() == ["old", "older"]
    begin(loads, "new", ago(days=2), "new")
    loads.close_load("new", "SUCCEEDED", RESULT, "new")
    assert names() == ["new", "old", "older"]
    assert names("--since", "45d") == ["new", "old"]
    assert names("--key", "a.csv") == ["new", "old"]
    assert names("--key", "b.*") == ["older"]


def test_a_list_of_recent_loads_scans_nothing(stack: Stack, loads: Loads) -> None:
    begin(loads, "first", ago(days=30), "first")
    begin(loads, "one", ago(days=1))
    called: list[str] = []
    events = stack.client("dynamodb").meta.events
    note: Any = lambda model, **_: called.append(model.name)  # noqa: E731
    events.register("before-call.dynamodb", note)
    try:
        assert names("--since", "7d") == ["one"]
    finally:
        events.unregister("before-call.dynamodb", note)
    assert "Query" in called
    assert "Scan" not in called


def test_a_replay_of_today_lists_the_load_of_last_week(loads: Loads) -> None:
    begin(loads, "one", ago(days=8))
    begin(loads, "one-r1", ago(hours=1), why="replay")
    loads.close_load("one", "SUCCEEDED", RESULT, "one-r1")
    (load,) = lines(tickets("loads", "--json", "--since", "1d"))
    assert [one["execution"] for one in load["attempts"]] == ["one", "one-r1"]


def test_an_attempt_that_found_the_load_done_does_not_claim_it(loads: Loads) -> None:
    begin(loads, "one", ago(hours=3))
    loads.close_load("one", "SUCCEEDED", RESULT, "one")
    again = LoadRequest("uploads", "a.csv", why="ingest", started_by=PERSON)
    loads.attempts.open(f"{EXECUTION}:again", again, ago(hours=1), "one")
    loads.attempts.close("again", ALREADY_LOADED, {})
    (load,) = lines(tickets("loads", "--json"))
    assert (load["execution"], load["why"]) == ("one", "upload")
    assert [one["ending"] for one in load["attempts"]] == ["Loaded", "Already Loaded"]
    (shown,) = lines(tickets("show", "one", "--json"))
    assert [one["execution"] for one in shown["attempts"]] == ["one", "again"]


# ---------------------------------------------------------------- tickets executions


def test_executions_have_what_the_ledger_knows_and_are_limited_alike(
    step_functions: StepFunctions, loads: Loads
) -> None:
    failed_then_replayed(loads)
    step_functions.add("one", "FAILED", ago=timedelta(hours=3))
    step_functions.add("one-r1", ago=timedelta(hours=1))
    step_functions.add("unknown", ago=timedelta(hours=2))
    listed = lines(tickets("executions", "--json"))
    assert [one["execution"] for one in listed] == ["one-r1", "unknown", "one"]
    assert [one["ending"] for one in listed] == ["Loaded", None, "Load Failed"]
    assert [one["started_by"] for one in listed] == [PERSON, None, None]
    assert listed[1]["key"] == "a.csv", "from its input"

    def some(*arguments: str) -> list[str]:
        return [one["execution"] for one in lines(tickets("executions", "--json", *arguments))]

    assert some("--key", "*.csv") == ["one-r1", "one"]
    assert some("--key", "s3://b/a.csv") == ["unknown"]
    assert some("--until", "150m") == ["one"]
    result = tickets("executions", "--json", "--limit", "1")
    assert [one["execution"] for one in lines(result)] == ["one-r1"]
    assert "Older executions are not listed" in result.stderr
    rows = csv.DictReader(io.StringIO(tickets("executions", "--csv").stdout))
    assert [row["why"] for row in rows] == ["replay", "", "upload"]


# ---------------------------------------------------------------- tickets show


def test_an_earlier_attempt_has_its_own_numbers_and_names_the_one_that_loaded(
    step_functions: StepFunctions, loads: Loads
) -> None:
    failed_then_replayed(loads)
    step_functions.add("one", "FAILED", error="LoadFailed", cause="1 of 2 chunks.")
    step_functions.add("one-r1")
    (shown,) = lines(tickets("show", "one", "--json"))
    assert (shown["execution"], shown["rows_written"]) == ("one", 60)
    assert (shown["finished_by"], len(shown["attempts"])) == ("one-r1", 2)
    text = tickets("show", "one").stdout
    assert "100 rows read = 60 written" in text
    assert "\none-r1 finished the load.\n" in text


def test_a_stopped_attempt_keeps_the_rows_it_had_when_the_replay_began(
    stack: Stack, step_functions: StepFunctions, loads: Loads, chunks: Chunks
) -> None:
    begin(loads, "one", ago(hours=3))
    loads.note_plan("one", "generation", {"chunks": 2})
    save(chunks, 0)
    step_functions.add("one", "RUNNING")
    assert tickets("stop", "one", "--reason", "wrong file").exit_code == 0
    ended = loads.attempts.get("one")
    assert ended
    assert (ended.status, ended.ending, ended.rows_read) == ("ABORTED", None, None)
    assert lines(tickets("replay", "one", "--json"))[0]["execution"] == "one-r1"
    save(chunks, 1)
    begin(loads, "one-r1", ago(minutes=1), why="replay")
    (shown,) = lines(tickets("show", "one", "--json"))
    assert [shown[name] for name in COUNTS] == [10, 9, 0, 1]
    assert (shown["status"], shown["finished_by"]) == ("ABORTED", None)


def test_rows_of_a_later_attempt_are_not_shown_as_those_of_a_stopped_one(
    step_functions: StepFunctions, loads: Loads, chunks: Chunks
) -> None:
    """The later one was started in the AWS console, so nothing recorded the rows before it."""
    begin(loads, "one", ago(hours=3))
    loads.note_plan("one", "generation", {"chunks": 2})
    step_functions.add("one", "ABORTED")
    save(chunks, 0)
    (alone,) = lines(tickets("show", "one", "--json"))
    assert [alone[name] for name in COUNTS] == [10, 9, 0, 1]
    begin(loads, "two", ago(hours=1))
    (shown,) = lines(tickets("show", "one", "--json"))
    assert [shown[name] for name in COUNTS] == [None] * 4


def save(chunks: Chunks, index: int) -> None:
    chunk = ChunkProgress(
        index, 0, 9, 9, finished=True, rows_read=10, rows_written=9, rows_refused=1
    )
    chunks.save("one", "generation", None, chunk)


@pytest.mark.usefixtures("step_functions")
def test_an_execution_that_step_functions_has_deleted_is_shown_from_the_ledger(
    loads: Loads,
) -> None:
    failed_then_replayed(loads)
    (shown,) = lines(tickets("show", "one", "--json"))
    assert (shown["status"], shown["rows_written"], shown["error"]) == (
        "FAILED",
        60,
        "1 of 2 chunks.",
    )
    text = tickets("show", f"{EXECUTION}:one").stdout
    assert "Step Functions no longer has its states." in text
    assert "`tickets report one --open`" in text
    assert "100 rows read = 60 written" in text


@pytest.mark.parametrize(
    ("text", "execution"),
    [
        ("shops/a.csv", "newer"),
        ("s3://uploads/shops/a.csv", "newer"),
        ("s3://uploads/shops/a.csv?versionId=v0", "older"),
        ("data/b.csv", "other"),  # a local file, which is uploaded under its name
        ("./b.csv", "other"),
    ],
)
@pytest.mark.usefixtures("step_functions")
def test_a_file_or_a_key_stands_for_its_newest_execution(
    loads: Loads, text: str, execution: str
) -> None:
    begin(loads, "older", ago(hours=3), "older", "shops/a.csv")
    loads.attempts.open(
        f"{EXECUTION}:older", LoadRequest("uploads", "shops/a.csv", "v0"), ago(hours=3), "older"
    )
    begin(loads, "newer", ago(hours=2), "newer", "shops/a.csv")
    begin(loads, "other", ago(hours=1), "other", "b.csv")
    (shown,) = lines(tickets("show", text, "--json"))
    assert shown["execution"] == execution


# ---------------------------------------------------------------- Who and why


@pytest.mark.usefixtures("empty_queues")
def test_people_leave_their_name_and_reason(
    stack: Stack, step_functions: StepFunctions, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_functions.client, "redrive_execution", lambda **_: None)
    begin(loads, "one", ago(hours=3))
    step_functions.add("one", "RUNNING")
    tickets("stop", "one", "--reason", "wrong file")
    tickets("replay", "one", "--redrive", "--reason", "right after all")
    step_functions.add("one", "FAILED", error="LoadFailed")
    tickets("replay", "one", "--reason", "again")
    actions = [
        (one["action"], one["by"], one["reason"], one["execution"])
        for one in Actions(stack.client("dynamodb"), "ledger").all("one")
    ]
    assert actions == [
        ("stop", CALLER, "wrong file", "one"),
        ("redrive", CALLER, "right after all", "one"),
    ]
    given = json.loads(step_functions.started[0]["input"])
    assert (given["why"], given["started_by"], given["reason"]) == ("replay", CALLER, "again")
    text = tickets("show", "one").stdout
    assert f" by {CALLER}: wrong file\n" in text


def test_a_reason_for_an_upload_is_kept_with_its_load(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickets.runs.ingest.execution_name", lambda *_: "rows")
    assert tickets("ingest", "rows.csv", "--reason", "monthly file").exit_code == 0
    (action,) = Actions(stack.client("dynamodb"), "ledger").all("rows")
    assert (action["action"], action["by"], action["reason"]) == ("ingest", CALLER, "monthly file")


@pytest.mark.usefixtures("empty_queues", "step_functions")
def test_a_replay_never_takes_the_name_of_one_that_step_functions_has_deleted(
    loads: Loads,
) -> None:
    begin(loads, "one", ago(days=200))
    begin(loads, "one-r1", ago(days=199), why="replay")
    assert [one["execution"] for one in lines(tickets("replay", "one", "--json"))] == ["one-r2"]
