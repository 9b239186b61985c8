"""tickets trace and tickets undo, with loads by the handlers on moto."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ingestion.ledger.claims import Claim, Claims, Lease
from ingestion.sources.catalogue import Sources
from tests.support.cloud import Cloud
from tests.support.cloud_stack import stack_of
from tests.support.command_line import lines, tickets
from tests.support.sources import tickets_with
from tests.support.state_machine import EXECUTIONS
from tests.support.step_functions import StepFunctions
from tickets.errors import CommandError
from tickets.runs import connect, undo
from tickets.runs.stack import Stack
from tickets.runs.undo import Undone

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"
KEY = "store-12/a.csv"
UPLOADER = "AWS:AIDAJDPLRKLG7UEXAMPLE"


def row(at: int, quantity: str = "1") -> bytes:
    return f"T{at},Tea,B1,2025-11-23T08:00:00Z,,{quantity},Lyon\n".encode()


FILE = HEADER + b"".join(row(at) for at in range(8)) + row(20, "x") + row(0, "2")
"""8 items, a refused row and a superseded one."""
ALL = {f"T{at}" for at in range(8)}


@pytest.fixture(scope="module")
def all_executions() -> StepFunctions:
    """Made once, since a client takes long."""
    return StepFunctions()


@pytest.fixture
def step_functions(all_executions: StepFunctions) -> StepFunctions:
    """Without any execution."""
    all_executions.forget()
    return all_executions


@pytest.fixture(autouse=True)
def stack(
    cloud: Cloud,
    step_functions: StepFunctions,
    monkeypatch: pytest.MonkeyPatch,
    fresh_clients: Callable[[], None],
) -> Stack:
    """Items have their lineage in the attribute `from`. Each file is one chunk."""
    monkeypatch.setenv("LINEAGE_ATTRIBUTE", "from")
    monkeypatch.setenv("CHUNK_SIZE_BYTES", "1000000")
    fresh_clients()
    stack = stack_of(cloud, step_functions)
    monkeypatch.setattr(connect, "find_stack", lambda *_: stack)
    return stack


def load(cloud: Cloud, body: bytes = FILE, name: str = "first", **request: Any) -> dict[str, Any]:
    """Uploads a file and loads it. Returns the execution's input."""
    given = cloud.put(body, KEY) | request
    assert cloud.run(given, name).status == "SUCCEEDED"
    return given


def load_again(cloud: Cloud, given: dict[str, Any], name: str = "again", **request: Any) -> str:
    """Loads the same version once more. Returns how the execution ended."""
    ended_in = cloud.run(given | request, name).ended_in
    assert ended_in
    return ended_in


def tickets_in_table(cloud: Cloud) -> set[str]:
    return {item["ticket_id"] for item in cloud.items()}


def load_id_of(given: dict[str, Any], cloud: Cloud) -> str:
    [entry] = [
        entry
        for entry in cloud.items(cloud.ledger_table)
        if entry["entry"] == "load" and entry["version_id"] == given["version_id"]
    ]
    return str(entry["load_id"])


def undone(stack: Stack, name: str = "first", **options: Any) -> Undone:
    return undo.undo(stack, name, dry_run=False, **options)


# ---------------------------------------------------------------- tickets trace


def test_an_item_says_where_it_comes_from(cloud: Cloud) -> None:
    given = load(cloud)
    [found] = lines(tickets("trace", "T3", "Tea", "--json"))
    entry = cloud.entry(load_id_of(given, cloud))
    assert found == {
        "item": {"ticket_id": "T3", "product": "Tea"},
        "bucket": cloud.uploads,
        "key": KEY,
        "version_id": given["version_id"],
        "line": 5,
        "load_id": load_id_of(given, cloud),
        "executions": ["first"],
        "uploader": UPLOADER,
        "status": "SUCCEEDED",
        "started_at": entry["started_at"],
        "stopped_at": entry["finished_at"],
    }


def test_all_items_of_a_partition_key_are_traced_and_the_last_load_of_each_is_named(
    cloud: Cloud,
) -> None:
    load(cloud, HEADER + row(1) + row(1).replace(b"Tea", b"Bread"))
    second = load(cloud, HEADER + row(1), "second")
    found = lines(tickets("trace", "T1", "--json"))
    assert [(one["item"]["product"], one["line"]) for one in found] == [("Bread", 3), ("Tea", 2)]
    assert found[1]["load_id"] == load_id_of(second, cloud)
    assert found[0]["load_id"] != found[1]["load_id"]


def test_people_get_one_line_per_item_and_the_next_command(cloud: Cloud) -> None:
    given = load(cloud)
    line, following = tickets("trace", "T3", "Tea").stdout.splitlines()
    assert line.startswith(
        f"T3, Tea: line 5 of s3://{cloud.uploads}/{KEY}, version {given['version_id']}, "
        f"uploaded by {UPLOADER}; load "
    )
    assert following == "next: tickets show first"


def test_the_lineage_of_items_is_found_after_the_parameter_was_changed(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]
) -> None:
    load(cloud)
    monkeypatch.setenv("LINEAGE_ATTRIBUTE", "")
    fresh_clients()
    assert lines(tickets("trace", "T3", "Tea", "--json"))[0]["line"] == 5


def test_a_text_that_looks_like_lineage_is_none(cloud: Cloud) -> None:
    """Only the attribute that the load's entry names is lineage."""
    given = load(cloud)
    forged = {"S": f"{load_id_of(given, cloud)}#7"}
    item = {"ticket_id": {"S": "T99"}, "product": {"S": "Tea"}, "store": forged}
    cloud.dynamodb.put_item(TableName=cloud.table, Item=item)
    answer = tickets("trace", "T99", "Tea")
    assert answer.exit_code == 1
    assert answer.stdout == "T99, Tea: no lineage\n"


def test_a_key_that_no_item_has(cloud: Cloud) -> None:
    answer = tickets("trace", "T99")
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr == "Table Tickets has no item with this key.\n"


@pytest.mark.parametrize(
    ("key", "beginning"),
    [
        (("1", "2", "3"), "The key of table Tickets is ticket_id and product: pass at most 2"),
        (("one",), "ticket_id is a number in table Tickets: pass a number."),
    ],
)
def test_a_key_of_another_form(cloud: Cloud, key: tuple[str, ...], beginning: str) -> None:
    cloud.replace_table(types={"ticket_id": "N"})
    answer = tickets("trace", *key)
    assert answer.exit_code == 2
    assert answer.stderr.startswith(beginning)


# ---------------------------------------------------------------- tickets undo


def test_without_yes_items_are_only_counted(cloud: Cloud) -> None:
    given = load(cloud)
    before = cloud.items(), cloud.items(cloud.ledger_table)
    [found] = lines(tickets("undo", "first", "--json"))
    assert (cloud.items(), cloud.items(cloud.ledger_table)) == before
    assert found == {
        "load_id": load_id_of(given, cloud),
        "bucket": cloud.uploads,
        "key": KEY,
        "version_id": given["version_id"],
        "status": "SUCCEEDED",
        "dry_run": True,
        "rows_read": 9,
        "items_found": 8,
        "items_deleted": 0,
        "rows_replaced": 0,
        "rows_gone": 0,
        "overtaken": False,
        "undone_at": None,
        "earlier_loads": [],
    }
    assert tickets("undo", "first", "--reason", "wrong till").stdout.splitlines()[1:] == [
        "8 items would be deleted. Nothing is deleted without --yes.",
        "next: tickets undo first --yes --reason 'wrong till'",
    ]


def test_the_items_of_the_load_are_deleted_and_others_stay(cloud: Cloud, stack: Stack) -> None:
    given = load(cloud)
    load(cloud, HEADER + row(1) + row(2), "second")
    cloud.dynamodb.delete_item(
        TableName=cloud.table, Key={"ticket_id": {"S": "T3"}, "product": {"S": "Tea"}}
    )
    done = undone(stack, reason="wrong till")
    assert tickets_in_table(cloud) == {"T1", "T2"}
    assert (done.items_deleted, done.rows_replaced, done.rows_gone) == (5, 2, 1)
    entry = cloud.entry(load_id_of(given, cloud))
    assert (entry["status"], entry["undo"]["finished_at"]) == ("UNDONE", done.undone_at)
    [action] = [
        one for name, one in cloud.ledger(done.load_id).items() if name.startswith("action#")
    ]
    facts = [action[name] for name in ("action", "by", "reason", "items_deleted")]
    assert facts == ["undo", "arn:aws:sts::123456789012:user/moto", "wrong till", 5]


def test_totals_are_deleted_too(
    cloud: Cloud, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = Sources(tickets_with(equalKeys="sum"), ())
    monkeypatch.setattr("handlers.validate_file.deployed_sources", lambda: sources)
    load(cloud)
    assert undone(stack).items_deleted == 8
    assert cloud.items() == []


def test_an_undone_file_can_be_loaded_again_and_every_row_is_written(
    cloud: Cloud, stack: Stack
) -> None:
    given = load(cloud)
    undone(stack)
    assert load_again(cloud, given) == "Loaded"
    assert tickets_in_table(cloud) == ALL
    assert load_again(cloud, given, "third") == "Already Loaded"
    assert undone(stack, "again").items_deleted == 8  # a new undo, from the first line on
    assert cloud.items() == []


def test_the_same_bytes_are_loaded_again_when_they_are_uploaded_again(
    cloud: Cloud, stack: Stack
) -> None:
    load(cloud)
    undone(stack)
    load(cloud, FILE, "second")
    assert tickets_in_table(cloud) == ALL


def test_an_earlier_version_is_named_and_can_be_loaded_again(cloud: Cloud, stack: Stack) -> None:
    first = load(cloud, FILE)
    load(cloud, HEADER + row(0) + row(1), "second")
    answer = tickets("undo", "second", "--yes").stdout.splitlines()
    assert answer[1] == "2 items deleted. The load is UNDONE."
    assert answer[2].startswith(f"Earlier load: {load_id_of(first, cloud)}, started ")
    address = f"s3://{cloud.uploads}/{KEY}?versionId={first['version_id']}"
    assert answer[-1] == f"next: tickets ingest '{address}' --force"
    assert tickets_in_table(cloud) == ALL - {"T0", "T1"}
    assert load_again(cloud, first, force=True) == "Loaded"
    assert tickets_in_table(cloud) == ALL


def test_bytes_of_an_earlier_version_do_not_count_as_loaded(cloud: Cloud, stack: Stack) -> None:
    """The undone load may have replaced its items."""
    load(cloud, FILE)
    load(cloud, HEADER + row(0) + row(1), "second")
    undone(stack, "second")
    load(cloud, FILE, "third")
    assert tickets_in_table(cloud) == ALL


def test_after_a_later_version_earlier_ones_are_not_named(cloud: Cloud, stack: Stack) -> None:
    load(cloud, HEADER + row(30))
    load(cloud, FILE, "second")
    load(cloud, HEADER + row(1), "third")
    done = undone(stack, "second")
    assert (done.overtaken, done.earlier_loads, done.items_deleted) == (True, [], 7)
    assert tickets_in_table(cloud) == {"T1", "T30"}
    claim = Claims(cloud.dynamodb, cloud.ledger_table).newest(f"s3://{cloud.uploads}/{KEY}")
    assert claim
    assert claim.execution_arn == f"{EXECUTIONS}third"


def test_an_undo_that_was_ended_is_continued(
    cloud: Cloud, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(cloud)

    def end(so_far: Undone) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        undone(stack, rows_per_second=5, on_progress=end)
    assert tickets_in_table(cloud) == ALL - {"T1", "T2", "T3", "T4"}
    done = undone(stack)
    assert (done.items_deleted, done.rows_read) == (8, 4)
    assert cloud.items() == []


def test_an_item_that_is_written_after_it_was_looked_up_stays(
    cloud: Cloud, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(cloud)
    look_up = undo._Items.look_up

    def look_up_before_a_write(self: Any, *arguments: Any) -> Any:
        found = look_up(self, *arguments)
        item = {"ticket_id": {"S": "T3"}, "product": {"S": "Tea"}, "from": {"S": "other#5"}}
        cloud.dynamodb.put_item(TableName=cloud.table, Item=item)
        return found

    monkeypatch.setattr(undo._Items, "look_up", look_up_before_a_write)
    done = undone(stack)
    assert tickets_in_table(cloud) == {"T3"}
    assert (done.items_deleted, done.rows_replaced) == (7, 1)


def test_an_undone_load_is_not_undone_twice(cloud: Cloud, stack: Stack) -> None:
    load(cloud)
    first = undone(stack)
    item = {"ticket_id": {"S": "T0"}, "product": {"S": "Tea"}, "from": {"S": f"{first.load_id}#2"}}
    cloud.dynamodb.put_item(TableName=cloud.table, Item=item)
    again = undone(stack)
    assert (again.undone_at, again.items_deleted) == (first.undone_at, 8)
    assert tickets_in_table(cloud) == {"T0"}


def test_an_execution_that_starts_in_the_meantime_waits_and_then_writes_its_rows(
    cloud: Cloud, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The undo sees that its claim is gone, and ends."""
    given = load(cloud)
    turns: list[Any] = []

    def start(so_far: Undone) -> None:
        if not turns:
            state, _ = cloud.plan(given)
            turns.append((state, cloud.take_turn(state)))

    monkeypatch.setattr(undo, "LOOK_SECONDS", 0.0)
    with pytest.raises(CommandError, match="A load has claimed the object since then"):
        undone(stack, rows_per_second=5, on_progress=start)
    state, turn = turns[0]
    assert turn == "wait"
    assert cloud.take_turn(state) == "mine"
    for chunk in cloud.chunks(state):
        cloud.write(state, chunk)
    assert cloud.reconcile(state)["complete"]
    assert tickets_in_table(cloud) == ALL
    assert cloud.entry(state["load_id"])["status"] == "SUCCEEDED"


def test_writers_of_the_load_see_that_it_is_being_undone(
    cloud: Cloud, stack: Stack, monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]
) -> None:
    monkeypatch.setenv("CHUNK_SIZE_BYTES", "300")
    fresh_clients()
    state, chunks = cloud.plan(cloud.put(FILE, KEY))
    assert cloud.take_turn(state) == "mine"
    cloud.write(state, chunks[0])
    undone(stack, "by-hand")
    assert cloud.items() == []
    assert cloud.write(state, chunks[1])["overtaken"]
    assert cloud.items() == []


def test_a_function_that_may_still_write_is_waited_for(
    cloud: Cloud, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = load(cloud)
    claims, url = Claims(cloud.dynamodb, cloud.ledger_table), f"s3://{cloud.uploads}/{KEY}"
    until = int(cloud.now()) + 600
    claims.put_lease(url, "lost", Lease(load_id_of(given, cloud), until - 900, until))
    monkeypatch.setattr(undo, "WAIT_SECONDS", 0.0)
    with pytest.raises(CommandError, match="may still be writing until "):
        undone(stack)
    assert tickets_in_table(cloud) == ALL
    claims.put_lease(url, "lost", Lease(load_id_of(given, cloud), until - 900, until - 601))
    assert undone(stack).items_deleted == 8


def test_a_running_load_is_not_undone(
    cloud: Cloud, stack: Stack, step_functions: StepFunctions
) -> None:
    load(cloud)
    step_functions.add("first", "RUNNING")
    with pytest.raises(CommandError, match="stop it with `tickets stop first`"):
        undone(stack)


def test_a_running_execution_of_the_same_version_keeps_it_from_being_undone(
    cloud: Cloud, stack: Stack, step_functions: StepFunctions
) -> None:
    given = load(cloud)
    claims = Claims(cloud.dynamodb, cloud.ledger_table)
    held = claims.newest(f"s3://{cloud.uploads}/{KEY}")
    assert held
    forced = replace(held, load_id="forced", execution_arn=f"{EXECUTIONS}forced")
    assert claims.move(held, forced)
    step_functions.add("forced", "RUNNING")
    with pytest.raises(CommandError, match="An execution of the same version"):
        undone(stack)
    assert cloud.entry(load_id_of(given, cloud))["status"] == "SUCCEEDED"


def test_a_load_without_lineage_is_not_undone(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]
) -> None:
    monkeypatch.setenv("LINEAGE_ATTRIBUTE", "")
    fresh_clients()
    load(cloud)
    answer = tickets("undo", "first", "--yes")
    assert answer.exit_code == 2
    assert "the stack had no LineageAttribute when it began" in answer.stderr
    assert tickets_in_table(cloud) == ALL


def test_the_version_that_is_undone_must_still_be_there(cloud: Cloud, stack: Stack) -> None:
    given = load(cloud)
    cloud.s3.delete_object(Bucket=cloud.uploads, Key=KEY, VersionId=given["version_id"])
    with pytest.raises(CommandError, match="The load can't be undone without it"):
        undone(stack)


def test_no_row_values_are_recorded(cloud: Cloud, stack: Stack) -> None:
    given = load(cloud, HEADER + row(1).replace(b"Lyon", b"Secret-Store"))
    done = undone(stack)
    ledger = json.dumps(cloud.ledger(load_id_of(given, cloud)), default=str)
    assert "Secret" not in ledger
    assert done.items_deleted == 1


def test_the_claim_of_an_undone_load_is_no_load(cloud: Cloud, stack: Stack) -> None:
    given = load(cloud)
    undone(stack)
    claim = Claims(cloud.dynamodb, cloud.ledger_table).newest(f"s3://{cloud.uploads}/{KEY}")
    load_id = load_id_of(given, cloud)
    assert claim == Claim(cloud.uploads, KEY, given["version_id"], f"undo#{load_id}")
