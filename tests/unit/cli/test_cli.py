"""The `tickets` command: exit codes, clean JSON, and errors that are one sentence."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingestion.names import execution_name
from tests.support.command_line import (
    OUTCOME_KEYS,
    REFUSED_ROWS,
    assert_sentence,
    lines,
    tickets,
)
from tests.support.step_functions import (
    CALLER,
    COUNTS,
    EXECUTION,
    RESULT,
    StepFunctions,
    loaded_visits,
    refused_visits,
)
from tickets.runs import connect, follow
from tickets.runs.stack import Stack

pytestmark = pytest.mark.usefixtures("alone")


def add_loaded(step_functions: StepFunctions, name: str) -> None:
    step_functions.add(name, visits=loaded_visits())
    step_functions.map_counts[name] = dict(COUNTS)


@pytest.mark.parametrize(
    "command",
    [
        *("demo", "sample", "ingest", "executions", "loads", "show", "refused", "audit"),
        *("query", "doctor", "verify", "local start"),
    ],
)
def test_every_command_explains_itself(command: str) -> None:
    result = tickets(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_the_lines_of_a_docstring_are_joined_to_paragraphs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    shown = [line.strip() for line in tickets("replay", "--help").stdout.splitlines()]
    [paragraph] = [line for line in shown if line.startswith("Finished chunks")]
    assert paragraph.endswith("new execution exists.")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ingest", "missing.csv"], "does not exist"),
        (["ingest", "."], "is a folder"),
        (["ingest", "s3://bucket-only"], "s3://bucket/key"),
        (["ingest", "s3:/bucket/key.csv"], "s3://bucket/key"),
        (["ingest", "rows.csv", "--key", "rows.txt"], "would not start a load"),
        (["ingest", "rows.csv", "rows.csv", "--key", "a.csv"], "one file"),
        (["ingest", "s3://b/a.csv", "--key", "a.csv"], "are for uploads"),
        (["executions", "--since", "yesterday"], "90m, 12h, 7d or 2026-11-01"),
        (["loads", "--since", "2026-13-01"], "90m, 12h, 7d or 2026-11-01"),
        (["loads", "--key", "s3://bucket-only"], "s3://bucket/key"),
        (["executions", "--since", "999999d"], "90m, 12h, 7d or 2026-11-01"),
        (["executions", "--status", "done"], "SUCCEEDED"),
        (["show", "nothing"], "`tickets executions` and `tickets loads` list them"),
        (["refused", "arn:aws:states:eu-west-1:1:execution:x:y"], "has no execution"),
        (["demo", "missing.csv"], "does not exist"),
        (["demo", "rows.csv", "--rows", "3"], "leave it out"),
        (["sample", "no/such/folder/a.csv"], "No such file or directory"),
        (["sample", "rows.csv"], "pass --force to overwrite it"),
        (["ingest", "s3://no-such-bucket/a.csv"], "There is no bucket no-such-bucket"),
        (["ingest", "s3://a*b/a.csv"], "is not the name of a bucket"),
    ],
)
@pytest.mark.usefixtures("stack")
def test_wrong_use_is_one_sentence(arguments: list[str], words: str) -> None:
    assert_sentence(tickets(*arguments), words)


@pytest.mark.parametrize(
    "arguments", [["demo", "--rows", "many"], ["sample"], ["show"], ["fly"], ["demo", "a", "b"]]
)
def test_unknown_arguments_are_wrong_use(arguments: list[str]) -> None:
    assert tickets(*arguments).exit_code == 2


@pytest.mark.usefixtures("deployed")
def test_the_stack_is_found_by_samconfig_or_by_option() -> None:
    assert_sentence(tickets("executions", "--region", "eu-west-1"), "no stack tickets in eu-west-1")
    named = tickets("executions", "--region", "eu-west-1", "--stack-name", "mine")
    assert_sentence(named, "no stack mine")
    assert_sentence(tickets("executions"), "No AWS region is set")
    assert_sentence(tickets("executions", "--profile", "none"), "no AWS profile none")


@pytest.mark.usefixtures("deployed")
def test_the_region_of_sam_deploy_is_the_last_resort(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sam.toml").write_text(
        '[default.global.parameters]\nstack_name = "shop"\n'
        '[default.deploy.parameters]\nregion = "eu-north-1"\n'
    )
    monkeypatch.setattr(connect, "SAMCONFIG", tmp_path / "sam.toml")
    assert_sentence(tickets("executions"), "no stack shop in eu-north-1")
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert_sentence(tickets("executions"), "no stack shop in eu-west-3")


@pytest.mark.usefixtures("stack")
def test_executions_are_listed_newest_first(step_functions: StepFunctions) -> None:
    output = json.dumps(loaded_visits()[-1][2])
    step_functions.add("old", ago=timedelta(days=2), output=output)
    step_functions.add("new", "FAILED", ago=timedelta(minutes=5))
    step_functions.add("newest", "RUNNING", ago=timedelta(minutes=1))
    listed = lines(tickets("executions", "--json"))
    assert [entry["execution"] for entry in listed] == ["newest", "new", "old"]
    assert [entry["seconds"] for entry in listed] == [None, 60.0, 60.0]
    assert [entry["ending"] for entry in listed] == [None, None, "Loaded"]
    recent = lines(tickets("executions", "--json", "--since", "1h"))
    assert [entry["execution"] for entry in recent] == ["newest", "new"]
    failed = lines(tickets("executions", "--json", "--status", "failed"))
    assert [entry["execution"] for entry in failed] == ["new"]
    table = tickets("executions").stdout
    assert table.splitlines()[0].split() == ["Execution", "Status", "Ending", "Started", "Duration"]
    assert len(table.splitlines()) == 4


@pytest.mark.usefixtures("stack")
def test_executions_of_the_last_seven_days_are_listed_unless_told_otherwise(
    step_functions: StepFunctions,
) -> None:
    step_functions.add("older", ago=timedelta(days=8))
    step_functions.add("newer", ago=timedelta(days=6))
    week = tickets("executions", "--json")
    assert [entry["execution"] for entry in lines(week)] == ["newer"]
    assert week.stderr == (
        "Older executions are not listed: --since 120d lists all that AWS keeps.\n"
    )
    everything = tickets("executions", "--json", "--since", "120d")
    assert [entry["execution"] for entry in lines(everything)] == ["newer", "older"]
    assert everything.stderr == ""


@pytest.fixture
def in_tokyo() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("stack", "in_tokyo")
def test_a_date_is_that_of_the_operator(step_functions: StepFunctions) -> None:
    midnight = datetime(2026, 10, 31, 15, tzinfo=UTC)
    step_functions.add("before", startDate=midnight - timedelta(seconds=1))
    step_functions.add("after", startDate=midnight)
    listed = lines(tickets("executions", "--json", "--since", "2026-11-01"))
    assert [entry["execution"] for entry in listed] == ["after"]


@pytest.mark.usefixtures("stack")
def test_an_empty_list_is_nothing() -> None:
    assert tickets("executions", "--json").output == ""
    assert "no such executions since 7d" in tickets("executions").stdout


@pytest.mark.usefixtures("stack")
def test_old_executions_are_not_read(step_functions: StepFunctions) -> None:
    """A page has up to 1,000, and the newest come first."""
    step_functions.page_size = 3
    for number in range(10):
        step_functions.add(f"old-{number}", ago=timedelta(days=20 + number))
    for number in range(5):
        step_functions.add(f"new-{number}", ago=timedelta(days=number))
    listed = tickets("executions", "--json")
    assert [entry["execution"] for entry in lines(listed)] == [
        f"new-{number}" for number in range(5)
    ]
    asked = step_functions.lists
    assert [one["maxResults"] for one in asked] == [1000] * 3


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("name", ["a", f"{EXECUTION}:a"])
def test_show_knows_names_and_arns(step_functions: StepFunctions, name: str) -> None:
    add_loaded(step_functions, "a")
    (shown,) = lines(tickets("show", name, "--json"))
    assert shown["input"] == {"bucket": "b", "key": "a.csv"}
    assert [state["state"] for state in shown["states"]][::10] == ["Validate File", "Loaded"]
    assert (shown["rows_read"], shown["chunks"], shown["error"]) == (100, 2, None)
    text = tickets("show", name).stdout
    assert "Loaded: 100 rows read = 97 written + 1 superseded + 2 refused" in text
    assert str(RESULT["report"]) in text


@pytest.mark.usefixtures("stack")
def test_show_says_why_a_load_failed(step_functions: StepFunctions) -> None:
    step_functions.add("a", "FAILED", refused_visits(), error="LoadFailed")
    result = tickets("show", "a")
    assert result.exit_code == 0
    assert "Not loaded: The header has no column store." in result.stdout
    (shown,) = lines(tickets("show", "a", "--json"))
    assert shown["reasons"][0]["column"] == "store"
    step_functions.add("b", "TIMED_OUT")
    assert "Not loaded: TIMED_OUT: no cause given" in tickets("show", "b").stdout


@pytest.mark.usefixtures("stack")
def test_refused_rows_are_streamed_as_json_shown_as_table_or_saved(
    step_functions: StepFunctions, tmp_path: Path
) -> None:
    add_loaded(step_functions, "a")
    rows = [tuple(row.values()) for row in lines(tickets("refused", "a", "--json"))]
    assert rows == REFUSED_ROWS
    shown = tickets("refused", "a").stdout.splitlines()
    assert shown[0].startswith("1 bad_quantity  quantity  the quantity is not a whole number of")
    assert shown[1] == "1 superseded              a later row of the file has the same key"
    assert shown[5].rstrip().endswith(r'T2,"x\r\ny"')
    assert shown[6:] == ["next: tickets refused a --fixable corrected.csv"]
    saved = tickets("refused", "a", "--output", "saved.csv")
    assert saved.exit_code == 0
    assert (tmp_path / "saved.csv").read_bytes() == (tmp_path / "rows.csv").read_bytes()


def test_refused_rows_without_any_are_nothing(stack: Stack, step_functions: StepFunctions) -> None:
    step_functions.add("a", "FAILED", refused_visits())
    result = tickets("refused", "a", "--json")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no refused rows are known" in result.stderr
    add_loaded(step_functions, "b")
    stack.client("s3").delete_object(Bucket="work", Key="refused-rows/a/refused-rows.csv")
    assert_sentence(tickets("refused", "b", "--json"), "no longer exists")


def test_ingest_knows_the_execution_of_its_upload(stack: Stack) -> None:
    started = lines(tickets("ingest", "rows.csv", "--key", "2026/r ü.csv", "--json"))
    version = stack.client("s3").head_object(Bucket="uploads", Key="2026/r ü.csv")["VersionId"]
    name = execution_name("uploads", "2026/r ü.csv", version)
    assert started == [
        {
            "execution": name,
            "execution_arn": f"{EXECUTION}:{name}",
            "bucket": "uploads",
            "key": "2026/r ü.csv",
            "version_id": version,
            "file": "rows.csv",
            "status": None,
        }
    ]


def test_ingest_gives_a_file_an_ending_that_starts_a_load(stack: Stack) -> None:
    Path("rows.csv").rename("rows.txt")
    result = tickets("ingest", "rows.txt", "--json")
    assert result.exit_code == 0
    assert "uploaded as rows.txt.csv" in result.stderr
    assert len(lines(result)) == 1
    assert stack.client("s3").head_object(Bucket="uploads", Key="rows.txt.csv")["VersionId"]


@pytest.mark.usefixtures("stack")
def test_ingest_starts_by_hand_on_an_object_that_is_there(step_functions: StepFunctions) -> None:
    result = tickets("ingest", "s3://work/old/a.csv", "s3://work/a?b.csv?versionId=v1", "--json")
    assert [entry["status"] for entry in lines(result)] == ["RUNNING", "RUNNING"]
    by_hand = {"why": "ingest", "started_by": CALLER}
    assert [json.loads(start["input"]) for start in step_functions.started] == [
        {"bucket": "work", "key": "old/a.csv", **by_hand},
        {"bucket": "work", "key": "a?b.csv", "version_id": "v1", **by_hand},
    ]


@pytest.mark.usefixtures("stack")
def test_ingest_wait_ends_with_the_outcomes_and_tells_failures(
    step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = iter(["good", "bad"])
    monkeypatch.setattr("tickets.runs.ingest.execution_name", lambda *_: next(names))
    add_loaded(step_functions, "good")
    step_functions.add("bad", "FAILED", refused_visits(), error="LoadFailed")
    Path("more.csv").write_bytes(Path("rows.csv").read_bytes())
    result = tickets("ingest", "rows.csv", "more.csv", "--wait", "--json")
    assert result.exit_code == 1
    good, bad = lines(result)
    assert good == {
        "execution": "good",
        "execution_arn": f"{EXECUTION}:good",
        "load_id": "load-1",
        "bucket": "uploads",
        "key": "rows.csv",
        "version_id": good["version_id"],
        "file": "rows.csv",
        "status": "SUCCEEDED",
        "ending": "Loaded",
        "started_at": "2026-03-01T09:00:00.000Z",
        "stopped_at": "2026-03-01T09:01:00.000Z",
        "started_by": None,
        "why": None,
        "reason": None,
        "seconds": 60.0,
        "rows_per_second": None,
        "error": None,
        **{key: RESULT[key] for key in OUTCOME_KEYS if key in RESULT},
    }
    assert (bad["status"], bad["rows_read"], bad["report"]) == ("FAILED", None, None)
    assert (bad["file"], bad["key"]) == ("more.csv", "more.csv")
    assert bad["error"] == "The header has no column store."
    assert "The header has no column store." in result.stderr


@pytest.mark.usefixtures("stack")
def test_ingest_wait_gives_up_when_no_execution_appears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "START_TIMEOUT_SECONDS", 0.0)
    result = tickets("ingest", "rows.csv", "--wait", "--json")
    assert_sentence(result, "dead-letter queue", exit_code=1)


@pytest.mark.usefixtures("stack")
def test_ingest_wait_ends_at_its_timeout(step_functions: StepFunctions) -> None:
    result = tickets("ingest", "s3://work/a.csv", "--wait", "--timeout", "0.01", "--json")
    assert result.exit_code == 3
    assert [entry["status"] for entry in lines(result)] == ["RUNNING"]


def test_sample_says_what_it_wrote() -> None:
    result = tickets("sample", "made.csv", "--rows", "100", "--seed", "1")
    assert result.stdout.startswith("made.csv: 100 rows")
    assert Path("made.csv").stat().st_size > 1_000
