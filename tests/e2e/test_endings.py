"""One run for each way in which a load can end, on the whole stack, and the report page of each.

The engine ends no execution as TIMED_OUT; tests/unit/report_page has that page."""

import json
from typing import Any

import pytest

from tests.support.load_assertions import assert_loaded, assert_same_items
from tests.support.report_pages import equation
from tests.support.running_stack import RunningStack, until
from tests.support.ticket_files import COLUMNS, TicketFile

TIME = "2026-03-01T12:00:00Z"


def file_with_bad_rows(name: str) -> TicketFile:
    """Five chunks of good rows, odd rows that are good, and bad rows of every kind in between."""
    file = TicketFile(name)
    file.rows(500)
    file.refused(f"{{}}-b01,Soap,,{TIME},Home,1,Lyon", "basket_id", "missing_value")
    file.refused(f",Soap,B1,{TIME},Home,1,Lyon", "ticket_id", "missing_value")
    file.raw("").rows(100)
    file.refused(f"{{}}-b02,Soap,B1,{TIME},Home,two,Lyon", "quantity", "bad_quantity")
    file.refused(f"{{}}-b03,Soap,B1,{TIME},Home,1.5,Lyon", "quantity", "bad_quantity")
    file.refused(f"{{}}-b04,Soap,B1,{TIME},Home,{'9' * 39},Lyon", "quantity", "bad_quantity")
    file.rows(400)
    file.refused("{}-b05,Soap,B1,2026-02-30T12:00,Home,1,Lyon", "timestamp", "bad_timestamp")
    file.refused("{}-b06,Soap,B1,01/03/2026,Home,1,Lyon", "timestamp", "bad_timestamp")
    file.rows(300)
    # Of equal keys of one chunk the last one wins.
    file.refused(f'{{}}-s01,"Rice, ""2 kg""",B1,{TIME},Home,1,Lyon', "", "superseded")
    file.rows(2)
    file.refused(f'{{}}-s01,"Rice, ""2 kg""",B1,{TIME},Home,2,Lyon', "", "superseded")
    file.raw(f'{{}}-s01,"Rice, ""2 kg""",B1,{TIME},Home,3,Lyon')
    file.rows(400)
    file.refused(f"{{}}-b07,Soap,B1,{TIME},Home,1", "", "too_few_fields")
    file.refused(f"{{}}-b08,Soap,B1,{TIME},Home,1,Lyon,cash", "", "too_many_fields")
    file.refused(f"{{}}-b09,Screws, M4,B1,{TIME},Home,1,Lyon", "", "too_many_fields")
    file.rows(300)
    file.refused(f'{{}}-b10,"Gift set" (red),B1,{TIME},Home,1,Lyon', "product", "malformed_quote")
    file.refused(f"{{}}-b11,{'é' * 513},B1,{TIME},Home,1,Lyon", "product", "value_too_long")
    file.rows(300)
    # Odd but good: values are stored as they are.
    file.raw(f'{{}}-g01,Pipe 5" copper,B1,{TIME},,+7,')
    file.raw(f'"{{}}-g02","lone \r in quotes","B1","{TIME}","","-0","a;b|c\td"')
    file.raw(f"{{}}-g03,  blanks  ,B1,2026-03-01 12:00,\u2028\x85\x0b\x0c\x1c,{'9' * 38},Köln ")
    file.raw("{}-g04,🛒,B1,2024-02-29T23:59:59.123456789+01:00,Ménage,007,東京")
    file.raw("").raw("").rows(100)
    return file


def test_bad_rows_are_refused_and_everything_else_is_loaded(stack: RunningStack) -> None:
    file = file_with_bad_rows("bad-rows")
    execution = stack.load("endings/bad-rows.csv", file.body)

    report = assert_loaded(stack, execution, file, at_least_chunks=4)

    assert (report["rows_refused"], report["rows_superseded"], report["blank_lines"]) == (12, 2, 3)
    assert {note.reason for note in file.notes} == {
        "missing_value", "bad_quantity", "bad_timestamp", "too_few_fields", "too_many_fields",
        "malformed_quote", "value_too_long", "superseded",
    }  # fmt: skip
    entered = stack.states_entered(execution["executionArn"])
    assert entered == [
        "Validate File", "File Accepted?", "Split File", "Anything To Write?", "Take Turn",
        "Whose Turn?", "Write Chunks", "Reconcile", "Everything Written?", "Settle Equal Keys",
        "Equal Keys Settled?", "Reconcile", "Everything Written?", "Announce Success", "Loaded",
    ]  # fmt: skip
    page = stack.assert_page(execution, "Loaded", equation(file.expected().totals))
    assert all(note.reason in page.text for note in file.notes)


def test_a_refused_file_is_reported_once_with_its_reasons(stack: RunningStack) -> None:
    file = TicketFile("refused", columns=tuple(c for c in COLUMNS if c != "quantity")).rows(3)
    execution = stack.load("endings/refused.csv", file.body)

    cause = (
        "The header has no column quantity. Line 1 has 6 fields separated by commas, and names "
        "ticket_id, product, basket_id, timestamp, category, store. Correct the header, or declare "
        "a source for the file (docs/sources.md)."
    )
    assert (execution["status"], execution["error"]) == ("FAILED", "LoadFailed")
    assert execution["cause"] == cause
    [letter] = stack.all_dead_letters(execution["executionArn"])
    assert letter["state"] == "Validate File"
    assert letter["error"] == "FileRefused"
    assert letter["cause"] == cause
    assert letter["reasons"] == [
        {"reason": "missing_column", "line": 1, "column": "quantity", "detail": cause}
    ]
    assert letter["input"] == json.loads(execution["input"])
    assert stack.items_of("refused") == {}
    assert stack.ledger(letter["load_id"])["load"]["status"] == "FAILED"
    assert cause in stack.assert_page(execution, "Refused", None).text


@pytest.mark.exhaustive
def test_a_failed_chunk_leaves_the_others_written_and_is_replayed(stack: RunningStack) -> None:
    # A chunk keeps its refused rows in the work bucket: without that permission only the one with
    # a bad row fails.
    file = TicketFile("failed-chunk").rows(1500)
    file.refused(f"{{}}-b01,Soap,B1,{TIME},Home,two,Lyon", "quantity", "bad_quantity").rows(1000)
    upload_key = "endings/failed-chunk.csv"
    with stack.without_statement("WriteChunk", "KeepRefusedRows") as role:
        execution = stack.load(upload_key, file.body)

    arn = execution["executionArn"]
    assert (execution["status"], execution["error"]) == ("FAILED", "LoadFailed")
    [letter] = stack.all_dead_letters(arn)
    assert (letter["state"], letter["error"]) == ("Reconcile", "LoadIncomplete")
    chunks = letter["result"]["chunks"]
    finished = stack.chunk_entries(letter["load_id"])
    assert len(finished) == letter["result"]["chunks_finished"] == chunks - 1 >= 3
    [missing] = set(range(chunks)) - {int(entry["index"]) for entry in finished}
    shortfall = f"1 of {chunks} chunks are not finished; the first is chunk {missing}."
    told = f"{shortfall} Chunk {missing}: AccessDenied: PutObject: User: "
    assert letter["cause"] == execution["cause"]
    assert letter["cause"].startswith(told)
    [failed] = [child for child in stack.children(arn) if child["status"] == "FAILED"]
    assert json.loads(failed["input"])["chunk"]["index"] == missing
    assert "AccessDenied" in failed["cause"]
    assert f":assumed-role/{role}/" in failed["cause"]
    assert "s3:PutObject" in failed["cause"]
    written = sum(entry["rows_written"] for entry in finished)
    assert written == letter["result"]["rows_written"] > 1000
    page = stack.assert_page(execution, "Failed", equation(letter["result"]))
    assert f"tickets replay {execution['name']}" in page.text
    expected = file.expected()
    found = stack.items_of(file.name)
    assert len(found) >= written
    assert all(expected.items[key] == item for key, item in found.items())

    # If the replay wrote a finished chunk again, this item would be in the table again.
    key, removed = next(iter(found.items()))
    table = stack.local.stack.session.resource(
        "dynamodb", endpoint_url=stack.local.engine.endpoint_url
    ).Table(stack.names.table)
    table.delete_item(Key={"ticket_id": key[0], "product": key[1]})
    replayed = stack.replay(arn)
    assert stack.items_of(file.name) == {k: v for k, v in expected.items.items() if k != key}
    table.put_item(Item=removed)

    report = assert_loaded(stack, replayed, file, at_least_chunks=4)
    assert set(report["executions"]) == {arn, replayed["executionArn"]}
    stack.assert_page(replayed, "Loaded", equation(expected.totals))
    assert stack.page(arn) == page, "each execution keeps its own"
    now = {entry["index"]: entry for entry in stack.chunk_entries(letter["load_id"])}
    assert [now[entry["index"]] for entry in finished] == finished
    assert stack.all_dead_letters(replayed["executionArn"]) == []


def test_a_file_with_a_header_only_is_loaded_without_the_map(stack: RunningStack) -> None:
    file = TicketFile("header-only")
    execution = stack.load("endings/header-only.csv", file.body)

    report = assert_loaded(stack, execution, file, at_least_chunks=0)
    assert (report["chunks"], report["rows_read"], report["refused_rows"]) == (0, 0, None)
    assert "Write Chunks" not in stack.states_entered(execution["executionArn"])
    assert stack.children(execution["executionArn"]) == []
    stack.assert_page(execution, "Loaded", "0 rows read = 0 written + 0 superseded + 0 refused")


def test_a_loaded_version_is_not_loaded_again(stack: RunningStack) -> None:
    file = TicketFile("again").rows(50)
    upload = stack.upload("endings/again.csv", file.body)
    first = stack.ended(stack.execution_of(upload))
    assert_loaded(stack, first, file)
    load_id = json.loads(first["output"])["load_id"]
    before = stack.ledger(load_id)

    by_hand = stack.ended(stack.start("again", {"bucket": upload.bucket, "key": upload.key}))

    assert by_hand["status"] == "SUCCEEDED"
    answer = json.loads(by_hand["output"])
    assert (answer["verdict"], answer["load_id"]) == ("already_loaded", load_id)
    entered = stack.states_entered(by_hand["executionArn"])
    assert entered == ["Validate File", "File Accepted?", "Already Loaded"]
    assert stack.ledger(load_id) == before
    assert_same_items(stack, file)
    stack.assert_page(by_hand, "Already Loaded", equation(file.expected().totals))


def test_an_ending_that_nothing_catches_is_reported_by_the_rule(stack: RunningStack) -> None:
    # The engine doesn't check targets, so a definition with a missing state can be deployed.
    def lose_the_way(definition: dict[str, Any]) -> None:
        small = definition["States"]["File Accepted?"]["Choices"][1]
        assert small["Next"] == "Write Small File"
        small["Next"] = "Nowhere"

    file = TicketFile("lost").rows(30)
    with stack.definition_changed(lose_the_way):
        execution = stack.load("endings/lost.csv", file.body)

    arn = execution["executionArn"]
    assert (execution["status"], execution["error"]) == ("FAILED", "States.Runtime")
    [letter] = stack.all_dead_letters(arn)
    assert letter["source"] == "aws.states"
    assert (letter["detail"]["status"], letter["detail"]["error"]) == ("FAILED", "States.Runtime")
    page = stack.assert_page(execution, "Failed", None)
    assert "States.Runtime" in page.text

    def recorded() -> bool:
        [entry] = stack.ledger(f"execution#{execution['name']}").values()
        return bool(entry["status"] == "FAILED")

    until(recorded, "the end in the ledger")
    report = assert_loaded(stack, stack.replay(arn), file)
    assert len(report["executions"]) == 2


@pytest.mark.exhaustive
def test_a_corrected_file_is_another_load(stack: RunningStack) -> None:
    key = "endings/corrected.csv"
    refused = stack.load(key, b"")
    assert refused["status"] == "FAILED"
    file = TicketFile("corrected").rows(5)
    execution = stack.load(key, file.body)
    report = assert_loaded(stack, execution, file)
    assert report["executions"] == [execution["executionArn"]]


def test_rows_that_a_spreadsheet_gave_one_id_fail_a_load_with_a_sentence_about_keys(
    stack: RunningStack,
) -> None:
    file = TicketFile("one-id")
    for basket in range(99):
        row = f"{{}}-1.23457E+12,Soap,B{basket},{TIME},Home,1,Lyon"
        file.refused(row, "", "superseded")
    file.raw(f"{{}}-1.23457E+12,Soap,B99,{TIME},Home,1,Lyon")
    execution = stack.load("endings/one-id.csv", file.body)

    assert (execution["status"], execution["error"]) == ("FAILED", "LoadFailed")
    [letter] = stack.all_dead_letters(execution["executionArn"])
    assert letter["error"] == "LoadIncomplete"
    assert "99 of 100 rows are superseded by a later row with an equal key" in letter["cause"]
    assert stack.refused_rows(letter["result"]["refused_rows"]) == file.notes
    assert_same_items(stack, file)
    stack.assert_page(execution, "Failed", "100 rows read = 1 written + 99 superseded + 0 refused")
