"""No value of a row is in anything that the running stack has written outside the table and the
refused rows. tests/handlers/test_values_stay_inside.py has every kind of file and failure."""

import gzip
import json
import time
from collections.abc import Iterator

import pytest

from tests.e2e.test_notifications import Consumer
from tests.support.running_stack import RunningStack, until

MARK = "Zq7x"
NUMBER = "70717073"
HEADER = "ticket_id,product,basket_id,timestamp,category,quantity,store\n"
LINE = f"{MARK}-%d,{MARK} tea,{MARK}B,2026-03-07T07:17:37.070717073Z,{MARK}C,%s,{MARK}S\n"
MARKS = (MARK, NUMBER, "070717073Z")
HANDLERS = (
    *("start_execution", "validate_file", "split_file", "take_turn", "write_chunk", "reconcile"),
)


@pytest.fixture
def consumer(stack: RunningStack) -> Iterator[Consumer]:
    made = Consumer(stack)
    yield made
    made.close()


def test_a_failed_load_tells_no_value_of_its_rows(stack: RunningStack, consumer: Consumer) -> None:
    good = "".join(LINE % (number, NUMBER) for number in range(20))
    bad = "".join(LINE % (number, MARK) for number in range(30, 40))
    unread = f'{MARK},"{MARK}\n'
    body = HEADER + good + LINE % (0, NUMBER) + bad + unread
    began = int(time.time() * 1000)  # as CloudWatch counts it
    # Packed, so that every function has a part in it.
    execution = stack.load("marked/rows.csv.gz", gzip.compress(body.encode()))
    assert execution["status"] == "FAILED"
    arn = execution["executionArn"]
    load_id = execution["name"]

    told = {"the execution": str(execution), "its history": str(stack.history(arn))}
    children = stack.children(arn)
    assert children
    for child in children:
        told[f"child {child['name']}"] = str(child)
        told[f"its history, {child['name']}"] = str(stack.history(child["executionArn"]))
    told["dead letters"] = str(stack.all_dead_letters(arn))
    told["the event"] = str(consumer.about(execution))
    told["the ledger"] = str(stack.ledger(load_id)) + str(stack.ledger(f"execution#{load_id}"))
    logs = stack.names.client("logs")
    for handler in HANDLERS:
        group = f"/aws/lambda/{stack.names.name}/{handler}"

        # The engine logs no INFO lines, so a line is told from an earlier load's by its time.
        def logged(group: str = group) -> list[dict[str, object]]:
            return list(logs.filter_log_events(logGroupName=group, startTime=began)["events"])

        told[f"the log of {handler}"] = str(until(logged, f"the log of {handler}"))
    assert "RowsRefused" in told["the log of reconcile"]
    stack.page(arn)
    bucket = stack.names.work_bucket
    pages = stack.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    inside = ""
    for key in [one["Key"] for page in pages for one in page.get("Contents", [])]:
        if key.startswith("unpacked/"):  # the file's own text
            continue
        # Digests are binary; the marks are ASCII.
        text = stack.read_url(f"s3://{bucket}/{key}").decode("latin-1")
        if load_id in key and key.startswith(("refused-rows/", "equal-keys/")):
            inside += text
        elif load_id in key:
            told[key] = text
    assert json.loads(told[f"reports/{load_id}.json"])["rows_refused"] == 11
    assert any(key.startswith("plans/") for key in told)
    assert "Failed" in told[f"reports/{load_id}.html"]
    assert "ExecutionFailed" in told[f"reports/{load_id}.history.jsonl"]

    # The rows did arrive where they belong.
    assert inside.count(MARK) > 10
    assert len(stack.items_of(MARK)) == 20
    for where, text in told.items():
        for mark in MARKS:
            assert mark not in text, f"A row's value is told outside, in {where}: {text[:2000]}"
