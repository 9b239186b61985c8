"""The file of an execution, the other executions of its load, and earlier versions."""

import json
from collections.abc import Mapping
from typing import Any

from ingestion.ledger.attempts import Attempt
from ingestion.report_page.amounts import moment, size
from ingestion.report_page.content import ActionLine, AttemptLine, Fact, ReasonLine
from ingestion.report_page.recorded import Recorded

MAX_LINES_SHOWN = 12
"""Line numbers of each reason."""
MAX_REASONS = 40
MAX_ATTEMPTS = 30
MAX_REPORT_BYTES = 24_000
"""A larger report is not on the page, but only its address."""

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


def reason_lines(known: Recorded) -> list[ReasonLine]:
    """The most frequent reasons."""
    return [
        ReasonLine(
            "superseded" if one.reason == "superseded" else "refused",
            one.column,
            one.reason,
            one.meaning,
            one.rows,
            one.lines[:MAX_LINES_SHOWN],
            one.rows > min(len(one.lines), MAX_LINES_SHOWN),
        )
        for one in known.reasons[:MAX_REASONS]
    ]


def reasons_note(known: Recorded) -> str:
    """What the reasons leave out; empty if nothing."""
    words = []
    if left := known.reasons[MAX_REASONS:]:
        rows = sum(one.rows for one in left)
        words.append(f"{rows:,} more rows have {len(left):,} other columns or reasons.")
    if known.reasons_read is not None:
        words.append(f"Only the first {known.reasons_read:,} rows were counted.")
    return " ".join([*words, "The list has them all."]) if words else ""


def report_address(known: Recorded) -> str:
    return str(known.result.get("report") or "")


def file_facts(known: Recorded) -> list[Fact]:
    load, given, file = known.load, known.execution_input, known.file
    source = load.get("source") or file.get("source") or {}
    encoding = str(file.get("encoding") or "").replace("_", "-")
    delimiter = file.get("delimiter")
    facts = [
        ("Bucket", load.get("bucket") or given.get("bucket")),
        ("Key", key_of(known)),
        ("Version", load.get("version_id") or given.get("version_id")),
        ("ETag", load.get("etag") or given.get("etag")),
        ("Size", _size(load.get("size") if load else given.get("size"))),
        ("Compression", file.get("compression")),
        ("Encoding", encoding.upper() if encoding.startswith("utf") else encoding),
        ("Delimiter", _DELIMITERS.get(str(delimiter), delimiter)),
        ("Uploaded by", load.get("uploader") or given.get("uploader")),
        ("Source", source.get("name")),
        ("SHA-256 of the source", source.get("sha256")),
    ]
    return [(name, str(value)) for name, value in facts if value]


def key_of(known: Recorded) -> str:
    return str(known.load.get("key") or known.execution_input.get("key") or "")


def address_of(known: Recorded) -> str:
    bucket = known.load.get("bucket") or known.execution_input.get("bucket") or ""
    return f"s3://{bucket}/{key_of(known)}"


def attempt_lines(known: Recorded) -> list[AttemptLine]:
    """The newest executions of the load, the oldest of them first."""
    return [_attempt(known, one) for one in known.attempts[-MAX_ATTEMPTS:]]


def action_lines(known: Recorded) -> list[ActionLine]:
    return [
        ActionLine(
            moment(one.get("at")),
            " of ".join(filter(None, [one.get("action"), one.get("execution")])),
            one.get("by") or "",
            one.get("reason") or "",
        )
        for one in known.actions
    ]


def earlier_versions(known: Recorded) -> list[Fact]:
    return [_earlier(one) for one in known.earlier]


def report_text(known: Recorded) -> str:
    """The report without its chunks; empty if there is none, or if it is too large for a page."""
    if not known.report:
        return ""
    values = json.loads(known.report)
    values.pop("chunk_entries", None)
    text = json.dumps(values, indent=2, ensure_ascii=False)
    return text if len(text.encode()) <= MAX_REPORT_BYTES else ""


def _size(number: Any) -> str | None:
    if not isinstance(number, int):
        return None
    return size(number) if number < 1000 else f"{size(number)} ({number:,} bytes)"


def _attempt(known: Recorded, one: Attempt) -> AttemptLine:
    numbers = ""
    if one.rows_read is not None:
        numbers = f"{one.rows_read:,} read, {one.rows_written or 0:,} written"
    is_this = one.execution == known.execution
    return AttemptLine(
        one.execution,
        is_this,
        one.started_by or one.uploader or "",
        ": ".join(filter(None, [one.why, one.reason])),
        moment(one.started_at),
        one.ending or (known.status if is_this else one.status),
        numbers,
    )


def _earlier(load: Mapping[str, Any]) -> Fact:
    rows = load.get("rows_written")
    written = "" if rows is None else f", {rows:,} rows written"
    return moment(load.get("started_at")), (
        f"version {load.get('version_id')}: {load.get('status')}{written}"
    )
