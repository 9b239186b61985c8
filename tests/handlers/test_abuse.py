"""Harmful files and names: a limit stops each one, and every row is accounted for.

The caps and their reasons are listed in docs/security.md, with the tests of the others.
"""

import json
import logging
import re
from typing import Any, cast

import pytest

from ingestion.csv_files.fast_rows import PageReader
from ingestion.csv_files.header import examine
from ingestion.csv_files.key_digests import key_digest
from ingestion.csv_files.sections import Section
from ingestion.ledger.chunks import ChunkProgress
from ingestion.s3.refused_rows import PartWriter, Series
from ingestion.tasks.accounting import Tally
from ingestion.tasks.quality_limits import QualityLimits
from tests.support.cloud import WORK, Cloud
from tests.support.queue_events import queue_record
from tests.support.sources import BUILT_IN

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"
GOOD = b"T%d,Tea,B1,2025-11-23T08:00Z,,1,Lyon\n"
MIB = 1024 * 1024

# ---------------------------------------------------------------- Refused rows


def report(cloud: Cloud, result: Any) -> Any:
    return json.loads(cloud.read_url(result["report"]))


@pytest.mark.exhaustive
def test_a_chunk_of_refused_rows_is_read_to_its_end_and_listed_in_parts(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHUNK_SIZE_BYTES", str(MIB))
    monkeypatch.setattr("ingestion.s3.refused_rows.MAX_PART_BYTES", 500_000)
    body = HEADER + GOOD % 1 + b"x\n" * 100_000 + GOOD % 2
    state = cloud.load(cloud.put(body))
    result = state["result"]
    assert (result["rows_read"], result["rows_written"]) == (100_002, 2)
    assert result["summary"].startswith("100,000 of 100,002 rows are refused")
    parts = cloud.s3.list_objects_v2(Bucket=WORK, Prefix=f"refused-rows/{state['load_id']}/")
    assert len([one for one in parts["Contents"] if one["Key"].endswith(".jsonl")]) > 5
    assert max(one["Size"] for one in parts["Contents"] if "-refused-" in one["Key"]) < 501_000
    lines = cloud.read_url(result["refused_rows"]).decode().splitlines()
    assert len(lines) == 1 + 100_000
    assert lines[-1] == "100002,,too_few_fields,x"


def test_a_page_keeps_no_refused_rows_while_it_waits_for_the_table() -> None:
    """One good row among very many bad ones: its page waits with them for the batch's answer."""
    columns = {name: at for at, name in enumerate(HEADER.decode().strip().split(","))}
    text = GOOD % 1 + b"x\n" * 30
    page = PageReader(BUILT_IN, columns, 7, b",", ("ticket_id", "product")).read(
        Section(text, len(text))
    )
    refused = PartWriter(cast(Any, None), "work", Series("a-"))
    Tally(ChunkProgress(0, 0, 9_999, 0), key_digest("00"), refused, refused).count(page)
    assert (refused.rows, page.refused) == (30, [])


# ---------------------------------------------------------------- Columns


@pytest.mark.parametrize(("columns", "verdict"), [(2_000, "accepted"), (2_001, "refused")])
def test_a_file_has_at_most_2000_columns_and_its_report_names_100_unknown_ones(
    cloud: Cloud, columns: int, verdict: str
) -> None:
    more = b",x" * (columns - 7)
    header, row = HEADER.rstrip() + more + b"\n", (GOOD % 1).rstrip() + more + b"\n"
    data = cloud.run(cloud.put(header + row)).data
    assert data["verdict"] == verdict
    if verdict == "accepted":
        assert len(report(cloud, data["result"])["unknown_columns"]) == 100
        assert [len(item) for item in cloud.items()] == [7]


def test_more_columns_than_a_head_has_are_refused() -> None:
    head = (HEADER.rstrip() + b"," * MIB)[:MIB]
    [reason] = cast(Any, examine(head, False, QualityLimits(5).too_many_refused, BUILT_IN))
    assert reason.reason == "no_header"


# ---------------------------------------------------------------- Keys

HOSTILE_KEYS = {
    "a folder up": "../../etc/passwd.csv",
    "a dot": "./a.csv",
    "a formula": "=cmd|' /C calc'!A0.csv",
    "another line in the log": 'a\n{"level": "ERROR", "message": "forged"}.csv',
    "a terminal's commands": "a\x1b[2J\x1b]0;owned\x07.csv",
    "other controls": "a\x01\x7f\x9b\u202e\u2028.csv",
    "1,024 bytes": "k" * 1020 + ".csv",
    "1,024 bytes of long characters": "味" * 340 + ".csv",
    "only what names leave out": "///%%%???&&&.csv",
    "percent signs": "100%25%2F..%2f+.csv",
    "quotes": "\"';`$(reboot)`.csv",
    "markup": "[red]a[/] {{b}} ${c}.csv",
    "ends like ours": "reports/a-0123456789abcdef-r1.csv",
    "a blank": " .csv",
}


@pytest.mark.parametrize("name", HOSTILE_KEYS)
def test_a_hostile_key_makes_harmless_names_and_its_rows_are_loaded(
    cloud: Cloud, caplog: pytest.LogCaptureFixture, name: Any
) -> None:
    key = HOSTILE_KEYS[name]
    assert len(key.encode()) <= 1024  # S3 takes no longer one
    caplog.set_level(logging.INFO, "ingestion.telemetry")
    request = cloud.put(HEADER + GOOD % 1 + b"bad\n" + GOOD % 2 * 3, key)
    cloud.call("start_execution", event(request))
    [started] = cloud.executions()
    assert re.fullmatch(r"[0-9A-Za-z_-]{1,74}", started["name"])
    assert started["input"]["key"] == key  # escaped as JSON on its way, and whole
    state = cloud.run(started["input"], started["name"]).data
    assert state["load_id"] == started["name"]
    assert (state["result"]["complete"], state["result"]["rows_written"]) == (True, 2)
    entry = cloud.entry(state["load_id"])
    assert (entry["key"], entry["status"]) == (key, "SUCCEEDED")
    # What is made of it has a name of ours, below a prefix of ours.
    made = [one["Key"] for one in cloud.s3.list_objects_v2(Bucket=WORK)["Contents"]]
    assert made
    for one in made:
        assert re.fullmatch(r"(digests|plans|refused-rows|reports)/[0-9A-Za-z_/.-]+", one), one
        assert state["load_id"] in one
        assert ".." not in one
    # A line of the log is one line, and does not hold the key.
    for line in caplog.records:
        told = f"{line.getMessage()} {vars(line)}"
        assert key not in told
        assert "\n" not in line.getMessage()


def event(request: Any) -> dict[str, Any]:
    from urllib.parse import quote_plus

    stored = {"key": quote_plus(request["key"]), "size": request["size"], "eTag": request["etag"]}
    record = {
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": request["uploader"]},
        "s3": {
            "bucket": {"name": request["bucket"]},
            "object": {**stored, "versionId": request["version_id"], "sequencer": "0"},
        },
    }
    return {"Records": [queue_record("1", json.dumps({"Records": [record]}))]}


# ---------------------------------------------------------------- Messages

HOSTILE_MESSAGES = {
    "nested": "[" * 200_000,
    "nested objects": '{"a":' * 200_000,
    "a long number": '{"Records": ' + "9" * 100_000 + "}",
    "half a character": '{"Records": "\\ud800"}',
    "not JSON": "\x00\x1b[2J",
    "a key that is none": '{"Records": [{"eventName": "ObjectCreated:", "s3": {"object": 1}}]}',
}


@pytest.mark.parametrize("name", HOSTILE_MESSAGES)
def test_a_hostile_message_comes_again_alone_and_the_others_are_started(
    cloud: Cloud, name: Any, caplog: pytest.LogCaptureFixture
) -> None:
    body = HOSTILE_MESSAGES[name]
    good = event(cloud.put(HEADER + GOOD % 1))["Records"][0]
    records = [queue_record("bad", body), {**good, "messageId": "good"}]
    answer = cloud.call("start_execution", {"Records": records})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert len(cloud.executions()) == 1
    [line] = [one for one in caplog.records if one.levelname == "ERROR"]
    assert len(line.getMessage()) < 300
    assert line.getMessage().isprintable()
