"""Checks of the target table, on a separate engine, because its table is deleted and created."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.support.load_assertions import assert_loaded, assert_same_items
from tests.support.moto_server import create_table
from tests.support.running_stack import RunningStack, until
from tests.support.ticket_files import TicketFile
from tickets.cli.app import app
from tickets.local.deployment import local_stack
from tickets.runs import connect

HEADER = "ticket_id,product,basket_id,timestamp,category,quantity,store\n"


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    with local_stack(parameters={"ChunkSizeBytes": "65536"}, wait_scale=0.02) as local:
        yield RunningStack(local)


def replace_table(
    stack: RunningStack,
    *key: str,
    types: Mapping[str, str] | None = None,
    indexes: Mapping[str, Sequence[str]] | None = None,
) -> None:
    stack.dynamodb.delete_table(TableName=stack.table)
    create_table(stack.dynamodb, stack.table, *key, types=types, indexes=indexes)


def row(ticket: str, quantity: int = 1, category: str = "Home") -> str:
    return f"{ticket},Soap,B1,2026-03-01T12:00Z,{category},{quantity},Lyon\n"


def items(stack: RunningStack) -> list[dict[str, Any]]:
    return list(stack._scan(stack.table))


def audited(stack: RunningStack, execution: dict[str, Any], exit_code: int) -> dict[str, Any]:
    """What `tickets audit` says of an execution."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connect, "find_stack", lambda *_: stack.names)
        result = CliRunner().invoke(app, ["audit", execution["name"], "--json"])
    assert result.exit_code == exit_code, result.output
    return dict(json.loads(result.stdout))


@pytest.mark.exhaustive
def test_an_empty_key_of_an_index_is_left_out(stack: RunningStack) -> None:
    replace_table(stack, "ticket_id", "product", indexes={"by_category": ["category"]})
    rows = [row(f"T{at}", category="" if at == 200 else "Home") for at in range(400)]
    execution = stack.load("table/index.csv", (HEADER + "".join(rows)).encode())
    assert execution["status"] == "SUCCEEDED"
    found = {item["ticket_id"]: item for item in items(stack)}
    assert len(found) == 400
    assert [ticket for ticket, item in found.items() if "category" not in item] == ["T200"]

    assert audited(stack, execution, exit_code=0)["as_loaded"] == 400
    key = {"ticket_id": {"S": "T7"}, "product": {"S": "Soap"}}
    stack.dynamodb.delete_item(TableName=stack.table, Key=key)
    audit = audited(stack, execution, exit_code=1)
    assert audit["as_loaded"] == 399
    assert (audit["missing"], audit["missing_lines"]) == (1, [9])


@pytest.mark.exhaustive
def test_an_index_of_the_wrong_type_is_refused_before_a_row_is_written(
    stack: RunningStack,
) -> None:
    replace_table(stack, "ticket_id", "product", indexes={"by_quantity": ["quantity"]})
    execution = stack.load("table/wrong.csv", (HEADER + row("T1")).encode())
    assert (execution["status"], execution["error"]) == ("FAILED", "LoadFailed")
    assert execution["cause"] == (
        "Index by_quantity of table Tickets has the key attribute quantity of type S, "
        "but the column provides type N."
    )
    assert items(stack) == []


@pytest.mark.exhaustive
def test_a_numeric_key_is_compared_as_a_number(stack: RunningStack) -> None:
    replace_table(stack, "ticket_id", types={"ticket_id": "N"})
    rows = [row("007", 1), *[row(f"{at}") for at in range(100, 130)], row("7", 2)]
    execution = stack.load("table/numbers.csv", (HEADER + "".join(rows)).encode())
    assert execution["status"] == "SUCCEEDED"
    assert audited(stack, execution, exit_code=0)["as_loaded"] == 31
    found = {int(item["ticket_id"]): int(item["quantity"]) for item in items(stack)}
    assert found == {7: 2} | dict.fromkeys(range(100, 130), 1)
    result = json.loads(execution["output"])["result"]
    assert (result["rows_written"], result["rows_superseded"]) == (31, 1)


@pytest.mark.exhaustive
def test_a_table_replaced_during_a_load_fails_it_and_a_replay_writes_every_row(
    stack: RunningStack,
) -> None:
    replace_table(stack, "ticket_id", "product")
    file = TicketFile("replaced").rows(3_000)
    capped = {"Variables": {"MAX_ROWS_PER_SECOND": "1000"}}
    with stack.function_changed("WriteChunk", Environment=capped):
        upload = stack.upload("table/replaced.csv", file.body)
        arn = stack.execution_of(upload)
        until(lambda: stack.items_of(file.name), "the first rows")
        replace_table(stack, "ticket_id", "product")
        execution = stack.ended(arn)
    assert (execution["status"], execution["error"]) == ("FAILED", "LoadFailed")
    assert execution["cause"].startswith("The table was replaced while the load was running")
    assert_loaded(stack, stack.replay(arn), file, at_least_chunks=3)

    replace_table(stack, "ticket_id", "product")
    again = {"bucket": upload.bucket, "key": upload.key}
    execution = stack.ended(stack.start("loaded-again-for-another-table", again))
    assert execution["status"] == "SUCCEEDED"
    assert_same_items(stack, file)
    execution = stack.ended(stack.start("loaded-already", again))
    assert json.loads(execution["output"])["verdict"] == "already_loaded"


@pytest.mark.exhaustive
def test_rows_are_found_by_the_indexes_that_the_stack_creates() -> None:
    wanted = {"ProductIndex": "true", "BasketIndex": "true", "ChunkSizeBytes": "65536"}
    with (
        local_stack(parameters=wanted, wait_scale=0.02) as local,
        pytest.MonkeyPatch.context() as p,
    ):
        stack = RunningStack(local)
        outputs = stack.names.outputs
        assert outputs["ProductIndexName"] == "by_product"
        assert outputs["BasketIndexName"] == "by_basket"
        rows = [
            f"T{at:03},{'Soap' if at % 2 else 'Bread'},B{at // 10},2026-03-{at % 28 + 1:02},,1,\n"
            for at in range(200)
        ]
        execution = stack.load("table/query.csv", (HEADER + "".join(rows)).encode())
        assert execution["status"] == "SUCCEEDED"

        p.setattr(connect, "find_stack", lambda *_: stack.names)

        def found(*arguments: str) -> list[str]:
            result = CliRunner().invoke(app, ["query", *arguments, "--json"])
            assert result.exit_code == 0, result.output
            return sorted(json.loads(line)["ticket_id"] for line in result.stdout.splitlines())

        assert found("--product", "Soap") == [f"T{at:03}" for at in range(1, 200, 2)]
        assert found("--basket", "B7") == [f"T{at:03}" for at in range(70, 80)]
        assert found("--ticket", "T100") == ["T100"]
        march_2 = found("--product", "Soap", "--since", "2026-03-02", "--until", "2026-03-03")
        assert march_2 == [f"T{at:03}" for at in range(1, 200, 28)]
        result = CliRunner().invoke(app, ["doctor", "--json"])
        checks = [json.loads(line) for line in result.stdout.splitlines()]
        [table] = [one for one in checks if one["check"] == "table"]
        assert table["status"] == "ok"
        assert table["detail"].endswith("indexes: by_product, by_basket")
