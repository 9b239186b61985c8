"""Files and names that are made to do harm: each has a cap, and is accounted for within it.

The caps and their reasons are listed in docs/security.md, with the tests of the others.
"""

import json
import logging
import re
import tracemalloc

import pytest

from ingestion.csv_files.fast_rows import PageReader
from ingestion.csv_files.header import examine
from ingestion.tasks import accounting as tallies
from ingestion.tasks.quality_limits import QualityLimits
from tests.support.cloud import WORK

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"
GOOD = b"T%d,Tea,B1,2025-11-23T08:00Z,,1,Lyon\n"
MIB = 1024 * 1024

# ---------------------------------------------------------------- Refused rows


def report(cloud, result):
    return json.loads(cloud.read_url(result["report"]))


@pytest.mark.parametrize("good", [0, 2])
def test_a_chunk_of_refused_rows_is_given_up_before_they_fill_the_memory(cloud, monkeypatch, good):
    """Two bytes a row: 16 MiB of them would take 2 GB. What was read is listed all the same."""
    monkeypatch.setenv("CHUNK_SIZE_BYTES", str(MIB))
    monkeypatch.setenv("MAX_REFUSED_PERCENT", "100")
    monkeypatch.setattr(tallies, "MAX_REFUSED_ROWS", 50_000)
    rows = b"".join(GOOD % number for number in range(good))
    body = HEADER + rows + b"x\n" * 400_000
    state = cloud.load(cloud.put(body))
    result = state["result"]
    assert (result["complete"], result["rows_written"]) == (False, good)
    unread = report(cloud, result)["unread"]
    assert unread["reason"] == "too_many_refused"
    # A page is read whole: it is given up at the first one that reaches the cap.
    listed = result["rows_refused"] - 1
    assert 50_000 <= listed < 50_000 + 128 * 1024 / 2
    assert unread["line"] == 1 + good + listed + 1
    assert unread["bytes"] == len(body) - len(HEADER) - len(rows) - 2 * listed
    assert len(cloud.items()) == good
    assert f"begins in line {unread['line']:,}" in result["summary"]
    lines = cloud.read_url(result["refused_rows"]).decode().splitlines()
    assert len(lines) == 1 + result["rows_refused"]


def test_a_chunk_with_exactly_as_many_refused_rows_is_read_whole(cloud, monkeypatch):
    monkeypatch.setenv("MAX_REFUSED_PERCENT", "100")
    monkeypatch.setattr(tallies, "MAX_REFUSED_ROWS", 60)
    result = cloud.load(cloud.put(HEADER + b"x\n" * 60))["result"]
    assert (result["complete"], result["rows_refused"]) == (True, 60)
    assert report(cloud, result)["unread"] is None


def test_a_million_refused_rows_fit_into_the_memory_of_write_chunk():
    """1,769 MB, of which they take less than a quarter. A twentieth of them is measured."""
    columns = {name: at for at, name in enumerate(HEADER.decode().strip().split(","))}
    reader = PageReader(columns, 7, b",", ("ticket_id", "product"))
    tracemalloc.start()
    try:
        page = reader.read(b"x\n" * (tallies.MAX_REFUSED_ROWS // 20))
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(page.refused) == tallies.MAX_REFUSED_ROWS // 20
    assert held * 20 < 1769 * 10**6 / 4


# ---------------------------------------------------------------- Columns


def test_a_million_columns_are_loaded_within_the_cap_of_a_record(cloud):
    """The header must end within the first MiB, and so must each row, so a file can't have more;
    the report names a hundred of them."""
    commas = b"," * 1_000_000
    header, row = HEADER.rstrip() + commas + b"\n", (GOOD % 1).rstrip() + commas + b"\n"
    result = cloud.load(cloud.put(header + row))["result"]
    assert (result["complete"], result["rows_written"]) == (True, 1)
    told = report(cloud, result)
    assert len(told["unknown_columns"]) == 100
    assert len(json.dumps(told)) < 10_000
    [item] = cloud.items()
    assert len(item) == 7


def test_more_columns_than_a_head_has_are_refused():
    head = (HEADER.rstrip() + b"," * MIB)[:MIB]
    [reason] = examine(head, False, QualityLimits(5).too_many_refused)
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
def test_a_hostile_key_makes_harmless_names_and_its_rows_are_loaded(cloud, caplog, name):
    key = HOSTILE_KEYS[name]
    assert len(key.encode()) <= 1024  # S3 takes no longer one
    caplog.set_level(logging.INFO, "ingestion.telemetry")
    request = cloud.put(HEADER + GOOD % 1 + b"bad\n" + GOOD % 2 * 3, key)
    cloud.call("start_execution", event(request))
    [started] = cloud.executions()
    assert re.fullmatch(r"[0-9A-Za-z_-]{1,74}", started["name"])
    assert started["input"]["key"] == key  # escaped as JSON on its way, and whole
    state = cloud.load(started["input"])
    assert state["load_id"] == started["name"]
    assert (state["result"]["complete"], state["result"]["rows_written"]) == (True, 2)
    entry = cloud.entry(state["load_id"])
    assert (entry["key"], entry["status"]) == (key, "SUCCEEDED")
    # What is made of it has a name of ours, below a prefix of ours.
    made = [one["Key"] for one in cloud.s3.list_objects_v2(Bucket=WORK)["Contents"]]
    assert made
    for one in made:
        assert re.fullmatch(r"(plans|refused-rows|reports)/[0-9A-Za-z_/.-]+", one), one
        assert state["load_id"] in one
        assert ".." not in one
    # A line of the log is one line, and does not hold the key.
    for line in caplog.records:
        told = f"{line.getMessage()} {vars(line)}"
        assert key not in told
        assert "\n" not in line.getMessage()


def event(request):
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
    return {"Records": [{"messageId": "1", "body": json.dumps({"Records": [record]})}]}


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
def test_a_hostile_message_comes_again_alone_and_the_others_are_started(cloud, name, caplog):
    body = HOSTILE_MESSAGES[name]
    good = event(cloud.put(HEADER + GOOD % 1))["Records"][0]
    records = [{"messageId": "bad", "body": body}, {**good, "messageId": "good"}]
    answer = cloud.call("start_execution", {"Records": records})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert len(cloud.executions()) == 1
    [line] = [one for one in caplog.records if one.levelname == "ERROR"]
    assert len(line.getMessage()) < 200
    assert line.getMessage().isprintable()
