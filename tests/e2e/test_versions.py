"""Two versions of one key, on the whole stack: the later one wins on every key that both hold."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.load_assertions import assert_loaded
from tests.support.report_pages import equation
from tests.support.running_stack import RunningStack, Upload, until
from tests.support.ticket_files import Items, TicketFile


class Version(TicketFile):
    """Versions of one name have tickets in common; the store shows which version a row is from."""

    def __init__(self, name: str, store: str) -> None:
        super().__init__(name)
        self.store = store

    def numbers(self, first: int, end: int) -> "Version":
        self._written = first
        self.rows(end - first, store=self.store)
        return self


def two_versions(name: str, rows: int) -> tuple[Version, Version]:
    """Common rows at the older one's beginning and at its end; some that only the newer has."""
    older = Version(name, "older").numbers(0, rows)
    newer = Version(name, "newer").numbers(0, 300).numbers(rows - 300, rows + 100)
    return older, newer


def merged(older: Version, newer: Version) -> Items:
    return older.expected().items | newer.expected().items


def assert_newer_wins(found: Items, older: Version, newer: Version) -> None:
    """Asserts it, whatever else of the older version was written."""
    wanted = merged(older, newer)
    assert found.items() <= wanted.items()
    assert found.items() >= newer.expected().items.items()


def result(execution: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(execution["output"])["result"])


def load_of(stack: RunningStack, arn: str) -> str:
    return arn.rsplit(":", 1)[-1]  # an upload's execution has its load's name


def in_the_middle(stack: RunningStack, upload: Upload) -> str:
    """The upload's execution, once it has finished some but not all of its chunks."""
    arn = stack.execution_of(upload)
    until(lambda: stack.chunk_entries(load_of(stack, arn)), "the first finished chunk")
    return arn


def leases(stack: RunningStack, upload: Upload) -> list[dict[str, Any]]:
    url = f"s3://{upload.bucket}/{upload.key}"
    return [one for name, one in stack.ledger(url).items() if name.startswith("writer#")]


@pytest.mark.exhaustive
@pytest.mark.usefixtures("rows_capped")
def test_a_newer_version_uploaded_meanwhile_overtakes_and_wins(stack: RunningStack) -> None:
    older, newer = two_versions("meanwhile", 6000)
    key = "versions/meanwhile.csv"
    first = in_the_middle(stack, stack.upload(key, older.body))
    upload = stack.upload(key, newer.body)
    second = stack.execution_of(upload)

    overtaken, loaded = stack.ended(first), stack.ended(second)

    assert overtaken["status"] == "SUCCEEDED"
    assert stack.states_entered(first)[-3:] == ["Reconcile", "Everything Written?", "Overtaken"]
    told = json.loads(stack.read_url(result(overtaken)["report"]))
    assert (told["status"], told["complete"], told["overtaken"]) == ("OVERTAKEN", False, True)
    assert stack.ledger(load_of(stack, first))["load"]["status"] == "OVERTAKEN"
    stack.assert_page(overtaken, "Overtaken", equation(told))
    assert stack.all_dead_letters(first) == []
    for child in stack.children(first):
        assert child["status"] == "SUCCEEDED"

    assert loaded["status"] == "SUCCEEDED"
    assert stack.states_entered(second)[-1] == "Loaded"
    found = stack.items_of(older.name)
    assert_newer_wins(found, older, newer)
    # Each row that the older one recorded as written is there, in its own or the newer version.
    only_older = [item for item in found.values() if item["store"] == "older"]
    assert 0 < len(only_older) <= told["rows_written"] < 6000
    report = json.loads(stack.read_url(result(loaded)["report"]))
    assert (report["status"], report["replaces"]) == ("SUCCEEDED", load_of(stack, first))
    assert leases(stack, upload) == []


@pytest.mark.exhaustive
def test_a_newer_version_uploaded_afterwards_wins_and_the_older_ones_other_rows_stay(
    stack: RunningStack,
) -> None:
    older, newer = two_versions("afterwards", 1500)
    key = "versions/afterwards.csv"
    first = stack.load(key, older.body)
    assert_loaded(stack, first, older)
    second = stack.load(key, newer.body)

    assert second["status"] == "SUCCEEDED"
    assert stack.items_of(older.name) == merged(older, newer)
    report = json.loads(stack.read_url(result(second)["report"]))
    assert report["replaces"] == load_of(stack, first["executionArn"])


@pytest.mark.exhaustive
def test_an_older_version_delivered_after_the_newer_one_is_overtaken(stack: RunningStack) -> None:
    older, newer = two_versions("late", 1500)
    key = "versions/late.csv"
    with stack.uploads_held():
        first, second = (stack.upload(key, one.body) for one in (older, newer))
        events = stack.received(stack.names.upload_queue_url, 2)
    [event] = [one for one in events if second.version_id in one]
    stack.sqs.send_message(QueueUrl=stack.names.upload_queue_url, MessageBody=event)
    loaded = stack.ended(stack.execution_of(second))
    report = assert_loaded(stack, loaded, newer)
    assert report["replaces"] is None

    given = {"bucket": first.bucket, "key": key, "version_id": first.version_id}
    late = stack.ended(stack.start("late", given))

    assert late["status"] == "SUCCEEDED"
    output = json.loads(late["output"])
    assert output["turn"]["turn"] == "overtaken"
    assert stack.states_entered(late["executionArn"])[-3:] == [
        "Take Turn", "Whose Turn?", "Overtaken",
    ]  # fmt: skip
    assert stack.items_of(older.name) == newer.expected().items
    assert stack.ledger(output["load_id"])["load"]["status"] == "OVERTAKEN"
    assert stack.all_dead_letters(late["executionArn"]) == []


@pytest.mark.exhaustive
def test_after_a_crash_a_newer_version_waits_for_the_lease_to_run_out(stack: RunningStack) -> None:
    file = TicketFile("crashed").rows(100)
    key = "versions/crashed.csv"
    ledger = stack.local.stack.session.resource(
        "dynamodb", endpoint_url=stack.local.engine.endpoint_url
    ).Table(stack.names.ledger_table)
    run_out = int(time.time()) + 8
    ledger.put_item(
        Item={
            "load_id": f"s3://{stack.names.upload_bucket}/{key}",
            "entry": "writer#of-a-function-that-is-no-more",
            "held_by": "another-load",
            "until": run_out,
            "expires_at": run_out,
        }
    )
    execution = stack.load(key, file.body)

    assert_loaded(stack, execution, file)
    entered = stack.states_entered(execution["executionArn"])
    assert entered.count("Wait For Turn") >= 1
    assert entered.count("Take Turn") == entered.count("Wait For Turn") + 1
    [began] = [
        event["timestamp"]
        for event in stack.history(execution["executionArn"])
        if event.get("stateEnteredEventDetails", {}).get("name") == "Write Chunks"
    ]
    assert began >= datetime.fromtimestamp(run_out, UTC)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("rows_capped")
def test_a_newer_version_wins_over_an_aborted_one_whose_chunks_go_on(stack: RunningStack) -> None:
    """The engine leaves children running; on AWS it is the function that goes on."""
    older, newer = two_versions("aborted-version", 6000)
    key = "versions/aborted.csv"
    first = in_the_middle(stack, stack.upload(key, older.body))
    stack.states.stop_execution(executionArn=first, cause="the test says so")
    upload = stack.upload(key, newer.body)
    loaded = stack.ended(stack.execution_of(upload))

    assert loaded["status"] == "SUCCEEDED"
    report = json.loads(stack.read_url(result(loaded)["report"]))
    assert report["replaces"] == load_of(stack, first)
    until(lambda: not leases(stack, upload), "the end of the older one's writers")
    assert_newer_wins(stack.items_of(older.name), older, newer)

    before = stack.items_of(older.name)
    replayed = stack.replay(first)
    assert replayed["status"] == "SUCCEEDED"
    assert stack.states_entered(replayed["executionArn"])[-1] == "Overtaken"
    assert stack.items_of(older.name) == before
    assert stack.ledger(load_of(stack, first))["load"]["status"] == "OVERTAKEN"


@pytest.mark.exhaustive
@pytest.mark.parametrize("round_", range(3))
def test_versions_delivered_together_end_with_the_newest_in_the_table(
    stack: RunningStack, round_: int
) -> None:
    name = f"together{round_}"
    versions = [
        Version(name, "first").numbers(0, 2000),
        Version(name, "second").numbers(500, 2500),
        Version(name, "third").numbers(1000, 1500),
    ]
    key = f"versions/{name}.csv"
    with stack.uploads_held():
        uploads = [stack.upload(key, one.body) for one in versions]
    ended = [stack.ended(stack.execution_of(upload)) for upload in uploads]

    assert [one["status"] for one in ended] == ["SUCCEEDED"] * 3
    ends = [stack.states_entered(one["executionArn"])[-1] for one in ended]
    assert set(ends[:2]) <= {"Loaded", "Overtaken"}
    assert ends[2] == "Loaded"
    found = stack.items_of(name)
    assert found.items() >= versions[2].expected().items.items()
    # Every other row is from the newest loaded version that has it.
    if ends[1] == "Loaded":
        newest = versions[1].expected().items | versions[2].expected().items
        assert found.items() >= newest.items()


@pytest.mark.exhaustive
def test_the_same_bytes_uploaded_again_end_in_already_loaded(stack: RunningStack) -> None:
    file = TicketFile("same-bytes").rows(50)
    key = "versions/same-bytes.csv"
    first = stack.load(key, file.body)
    assert_loaded(stack, first, file)
    again = stack.load(key, file.body)
    assert again["status"] == "SUCCEEDED"
    assert stack.states_entered(again["executionArn"])[-1] == "Already Loaded"
    assert json.loads(again["output"])["load_id"] == load_of(stack, first["executionArn"])

    given = {"bucket": stack.names.upload_bucket, "key": key, "force": True}
    forced = stack.ended(stack.start("same-bytes-forced", given))
    report = assert_loaded(stack, forced, file)
    assert report["replaces"] == load_of(stack, first["executionArn"])
