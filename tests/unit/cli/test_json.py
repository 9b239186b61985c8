"""docs/json.md and its schema describe what `--json` prints. `tests.support.command_line` checks
every line that any test prints; here are the tests of the description itself."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from jsonschema import Draft202012Validator
from typer.main import get_command

from ingestion.ledger.loads import Loads
from tests.support.command_line import command_of, tickets
from tests.support.dead_letter_queue import event, graph_letter, notification, send, send_upload
from tests.support.json_output import SCHEMA, problems, read_schema
from tests.support.step_functions import (
    COUNTS,
    EXECUTION,
    RESULT,
    StepFunctions,
    loaded_visits,
    refused_visits,
)
from tickets.cli.app import app
from tickets.runs.stack import Stack


def commands_with_json() -> Iterator[str]:
    def visit(command: object, path: tuple[str, ...]) -> Iterator[str]:
        for name, one in getattr(command, "commands", {}).items():
            yield from visit(one, (*path, name))
        if any("--json" in option.opts for option in getattr(command, "params", ())):
            yield "-".join(path)

    return visit(get_command(app), ())


def test_every_command_with_json_is_described() -> None:
    described = set(read_schema()["$defs"]) - {"fields"}
    assert set(commands_with_json()) - described == set()


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(read_schema())


def test_the_page_lists_the_fields_of_the_schema() -> None:
    page = SCHEMA.with_name("json.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE))
    fields = read_schema()["$defs"]["fields"]["properties"]
    assert listed == {name: field["description"] for name, field in fields.items()}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"execution": "a", "status": 1}', "status"),
        ('{"execution": "a"}', "'status' is a required property"),
        ('{"execution": "a", "status": "ABORTED", "finished_at": null}', "finished_at"),
        ('{"execution": "a", "status": "ABORTED", "started_at": "2026-11-26 18:05"}', "started_at"),
        ('{"execution": "a", "status": "ABORTED", "more": 1}', "more"),
    ],
)
def test_a_line_that_is_not_as_described_is_found(line: str, problem: str) -> None:
    assert problem in "\n".join(problems("stop", line, strict=True))


@pytest.mark.usefixtures("empty_queues")
@pytest.mark.parametrize(
    "arguments",
    [
        ["ingest", "rows.csv"],
        ["ingest", "rows.csv", "--wait"],
        ["ingest", "s3://work/a.csv"],
        ["show", "loaded"],
        ["show", "refused", "--follow"],
        ["executions", "--since", "2026-01-01"],
        ["refused", "loaded"],
        ["refused", "loaded", "--output", "saved.csv"],
        ["dead-letters"],
        ["replay", "--all", "--uploads", "--dry-run"],
        ["replay", "refused", "--wait", "--timeout", "0.01"],
        ["stop", "running"],
        ["sources"],
        ["check", "rows.csv"],
    ],
    ids=" ".join,
)
def test_every_field_that_is_printed_is_described(
    stack: Stack,
    step_functions: StepFunctions,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    monkeypatch.setattr("tickets.runs.ingest.execution_name", lambda *_: "loaded")
    step_functions.add("loaded", visits=loaded_visits(), ago=timedelta(hours=1))
    step_functions.map_counts["loaded"] = dict(COUNTS)
    step_functions.add("refused", "FAILED", refused_visits(), error="LoadFailed")
    step_functions.add("running", "RUNNING")
    loads = Loads(stack.client("dynamodb"), "ledger")
    facts = {"bucket": "uploads", "key": "a.csv", "object_url": "s3://uploads/a.csv", "etag": "e"}
    loads.open_load("load-1", facts | {"version_id": "v", "size": 1}, f"{EXECUTION}:loaded")
    loads.close_load("load-1", "SUCCEEDED", RESULT)
    send(stack, graph_letter("refused"))
    send(stack, event("stopped", "ABORTED"))
    send_upload(stack, notification("late.csv"))
    printed = tickets(*arguments, "--json").stdout.splitlines()
    assert printed
    for line in printed:
        assert not problems(command_of(arguments), line, strict=True)


def test_rows_per_second_are_those_of_the_ledger(
    stack: Stack, step_functions: StepFunctions
) -> None:
    """Reconcile divides the rows that the execution wrote by the time in which it wrote."""
    step_functions.add("a", visits=loaded_visits())
    loads = Loads(stack.client("dynamodb"), "ledger")
    loads.open_load("load-1", {"key": "a.csv"}, f"{EXECUTION}:a")
    loads.close_load("load-1", "SUCCEEDED", {**RESULT, "rows_per_second": 1234})
    assert "in 1 min 00 s (1,234 rows/s)." in tickets("show", "a").stdout
    assert '"rows_per_second": 1234' in tickets("show", "a", "--json").stdout
