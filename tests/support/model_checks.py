"""What the ledger, the table and the reports must contain in the model test, whatever happened."""

import csv
import io
import json
from dataclasses import asdict, dataclass
from typing import Any

from tests.support.made_files import ROW_BYTES, Content
from tests.support.queue_events import queue_record
from tests.support.state_machine import EXECUTIONS

MAX_REFUSED_PERCENT = 40


@dataclass
class Version:
    """One uploaded version of an object."""

    content: Content
    request: dict[str, Any]
    """The execution input that the S3 event leads to."""
    delivered: bool = False
    """Whether start_execution has processed its event without a failure."""
    deleted: bool = False

    @property
    def id(self) -> Any:
        return self.request["version_id"]

    @property
    def key(self) -> Any:
        return self.request["key"]

    def event(self) -> dict[str, Any]:
        told = {
            "versionId": self.id,
            "key": self.key,
            "size": self.request["size"],
            "eTag": self.request["etag"],
            "sequencer": "0",
        }
        record = {
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": self.request["bucket"]}, "object": told},
        }
        body = json.dumps({"Records": [record]})
        return {"Records": [queue_record(self.id, body)]}


def check_chunk(content: Any, entry: Any, before: Any) -> None:
    index, rows = int(entry["index"]), int(entry["rows_read"])
    size = len(content.chunks[index])
    start = content.start_of(index)
    assert (entry["start"], entry["end"]) == (start, start + size * ROW_BYTES)
    assert entry["next_byte"] == start + rows * ROW_BYTES
    counts = asdict(content.counts(index, rows, entry["finished"]))
    assert {name: entry[name] for name in counts} == counts
    assert rows == size or not entry["finished"]
    if before:
        assert before <= (entry["next_byte"], entry["finished"]), "a chunk went back"


def check_ending(stack: Any, execution: Any) -> None:
    """Checks that each failure was reported once, that nothing else was reported, and that no
    report contains values of rows."""
    stack.seen[execution.ended_in] += 1
    told = [letter["execution_arn"] for letter in execution.dead_letters]
    assert told == ([EXECUTIONS + execution.name] if execution.status == "FAILED" else [])
    assert execution.status in ("SUCCEEDED", "FAILED")
    assert execution.error in ("", "LoadFailed")
    announced = {"Loaded": ["Load Succeeded"], "Load Failed": ["Load Failed"]}
    kinds = [event["DetailType"] for event in execution.events]
    assert kinds == announced.get(execution.ended_in, [])
    assert "2025-11-23" not in json.dumps(execution.dead_letters)


def check_table(stack: Any, versions: Any, entries: Any) -> None:
    key = versions[0].key if versions else ""
    table = {
        item["ticket_id"]: item for item in stack.cloud.items() if item["ticket_id"][0] == key[:1]
    }
    writing = [one for one in versions if one.content.writes]
    if not writing:
        assert not table
        return
    if any(one.deleted for one in versions):
        # A version that was deleted for good counts as the oldest from then on. So it depends
        # on the time of the deletion which version's row remains, but it is a row of one of
        # them.
        for ticket, item in table.items():
            assert any(item in one.content.may_be(ticket, set()) for one in writing)
        return
    *earlier, newest = writing
    for ticket in table.keys() | {ticket for one in writing for ticket in one.content.items}:
        if ticket in newest.content.items:
            assert table.get(ticket) == newest.content.items[ticket]
        else:
            _check_older_row(ticket, table.get(ticket), earlier, entries)


def _check_older_row(ticket: Any, item: Any, earlier: Any, entries: Any) -> None:
    """Checks a ticket that is not in the newest version. Its row must be that of the last
    version that is known to have written it, or of a later version that was overtaken while it
    wrote."""
    allowed = []
    for version in reversed(earlier):
        finished = _finished_chunks(version, entries)
        allowed += version.content.may_be(ticket, finished)
        if any(
            row.ticket == ticket and row.item
            for index in finished
            for row in version.content.chunks[index]
        ):
            break
    else:
        allowed.append(None)
    assert item in allowed


def check_loads(stack: Any, version: Any, versions: Any, entries: Any) -> None:
    """Checks the ledger, the reports and the refused rows of all loads of a version."""
    content = version.content
    loads = {name: one for name, one in entries.items() if _is_load_of(version, one)}
    statuses = [one["load"]["status"] for one in loads.values()]
    for load_id, one in loads.items():
        status = one["load"]["status"]
        if status in ("SUCCEEDED", "FAILED") and content.writes and not version.deleted:
            assert (status == "FAILED") == too_bad(content)
            _check_totals(stack, load_id, one["load"], content)
    if any(one.deleted for one in versions):
        return
    if content.is_refused:
        assert set(statuses) == {"FAILED"}
        return
    final = "FAILED" if too_bad(content) else "SUCCEEDED"
    assert set(statuses) <= {final, "OVERTAKEN"}
    index = versions.index(version)
    same_bytes = any(one.content is content for one in versions[:index])
    if not any(one.content.writes for one in versions[index + 1 :]):
        assert final in statuses or same_bytes


def _check_totals(stack: Any, load_id: Any, load: Any, content: Any) -> None:
    totals = asdict(content.totals)
    assert {name: load[name] for name in totals} == totals
    listed = []
    if load["refused_rows"]:
        text = stack.cloud.read_url(load["refused_rows"]).decode()
        listed = [
            (int(row["line"]), row["reason"])
            for row in csv.DictReader(io.StringIO(text, newline=""))
        ]
    assert listed == content.listed
    report = json.loads(stack.cloud.read_url(load["report"]))
    assert {name: report[name] for name in totals} == totals
    assert report["load_id"] == load_id


def too_bad(content: Any) -> bool:
    return bool(content.totals.rows_refused * 100 > content.rows * MAX_REFUSED_PERCENT)


def _is_load_of(version: Any, entries: Any) -> Any:
    return "load" in entries and entries["load"].get("version_id") == version.id


def _finished_chunks(version: Any, entries: Any) -> Any:
    """The indexes of the chunks that any load of the version has finished."""
    return {
        int(entry["index"])
        for one in entries.values()
        if _is_load_of(version, one)
        for name, entry in one.items()
        if name.startswith("chunk#") and entry["finished"]
    }
