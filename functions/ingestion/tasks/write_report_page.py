"""The task Write Report Page: makes the page of an execution, and keeps its history.

It is not a state of the state machine: an event announces that an execution has ended. EventBridge
delivers such events at least once and without an order ("Amazon EventBridge User Guide"), and may
lose one. So the event only names the execution, and everything on the page is read again.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ingestion.csv_files.rows import REASONS
from ingestion.executions.history import (
    ALREADY_LOADED,
    ending,
    ending_in_words,
    failure_in_words,
    last_value,
    read_states,
)
from ingestion.ledger.actions import Actions
from ingestion.ledger.attempts import Attempt, Attempts
from ingestion.ledger.chunks import Chunks
from ingestion.ledger.loads import Loads
from ingestion.ledger.store import timestamp
from ingestion.report_page.building import page_of
from ingestion.report_page.recorded import CountedReason, Recorded
from ingestion.report_page.rendering import render
from ingestion.tasks.listed_rows import listed_rows

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

MAX_EARLIER = 10
MAX_REFUSED_READ = 200_000
"""Refused and superseded rows that are counted by reason; further ones are not read."""

Event = dict[str, Any]


def page_key(execution: str) -> str:
    """The key of an execution's page in the work bucket."""
    return f"reports/{execution}.html"


class EndNotVisible(Exception):
    """DescribeExecution doesn't show yet that an execution has ended. It is eventually consistent
    (Step Functions API Reference), and an event may come sooner."""


class Pages:
    """Makes the pages of executions.

    `stack` holds names and values that the page shows, such as parameters.
    """

    def __init__(
        self,
        states: "SFNClient",
        s3: "S3Client",
        loads: Loads,
        chunks: Chunks,
        attempts: Attempts,
        actions: Actions,
        *,
        work_bucket: str,
        stack: Mapping[str, str],
    ) -> None:
        self._states = states
        self._s3 = s3
        self._loads = loads
        self._chunks = chunks
        self._attempts = attempts
        self._actions = actions
        self._work_bucket = work_bucket
        self._stack = stack

    def write_ended(self, execution_arn: str, redrives: int) -> str | None:
        """Writes the page of an execution that has ended, as an event announces. Returns the page's
        S3 address. `redrives` is the number of redrives that the event names.

        Returns None if there is no page to write: Step Functions has deleted the execution, which
        it does 90 days after the end, or the execution has been redriven since, so that its next
        end will be announced. Raises EndNotVisible.
        """
        try:
            found = self._states.describe_execution(executionArn=execution_arn)
        except self._states.exceptions.ExecutionDoesNotExist:
            return None
        redriven, is_running = found.get("redriveCount", 0), found["status"] == "RUNNING"
        if redriven < redrives or (redriven == redrives and is_running):
            raise EndNotVisible(execution_arn)
        if is_running:
            return None
        known = self._write(execution_arn)
        self._record_end(known)
        return self._address(known)

    def write(self, execution_arn: str) -> str:
        """Writes the page of an execution and its history to the work bucket. Returns the page's S3
        address."""
        return self._address(self._write(execution_arn))

    def _address(self, known: Recorded) -> str:
        return f"s3://{self._work_bucket}/{page_key(known.execution)}"

    def _record_end(self, known: Recorded) -> None:
        """Records in the ledger how an execution ended that could not record it itself, because
        Step Functions deletes it 90 days later.

        Its `ending` stays None, so that readers ask Step Functions until then: it may be redriven.
        """
        attempt = next((one for one in known.attempts if one.execution == known.execution), None)
        if attempt is None or attempt.ending is not None or known.stopped_at is None:
            return
        why = failure_in_words(known.states) or ending_in_words(
            known.status, known.error, known.cause
        )
        stopped_at = timestamp(known.stopped_at.timestamp())
        self._attempts.complete(
            replace(attempt, status=known.status, stopped_at=stopped_at, error=why)
        )

    def _write(self, execution_arn: str) -> Recorded:
        """Writes the page and the history, and returns what they were made from.

        If the execution ends again in the meantime, which a redrive makes it do, they are written
        again: another call may have written its later ending before.
        """
        while True:
            known, events = self.recorded(execution_arn)
            history = f"reports/{known.execution}.history.jsonl"
            self._put(history, _lines(events), "application/jsonl")
            page = render(page_of(known, datetime.now(UTC)))
            self._put(page_key(known.execution), page.encode(), "text/html; charset=utf-8")
            if (
                self._states.describe_execution(executionArn=execution_arn).get("stopDate")
                == known.stopped_at
            ):
                return known

    def recorded(self, execution_arn: str) -> tuple[Recorded, list[Event]]:
        """Returns what is known of an execution, and the events of its history.

        Raises ExecutionDoesNotExist if Step Functions doesn't have it.
        """
        described = self._states.describe_execution(executionArn=execution_arn)
        pages = self._states.get_paginator("get_execution_history").paginate(
            executionArn=execution_arn
        )
        events: list[Event] = [dict(event) for page in pages for event in page["events"]]
        states = list(read_states(events))
        name = described["name"]
        load_id = last_value(states, "load_id")
        load = (self._loads.load(str(load_id)) if load_id else None) or {}
        plan = last_value(states, "plan") or {}
        generation = plan.get("generation") or load.get("generation") or ""
        # A load that was found loaded belongs to other executions, and so do its chunks.
        is_other = ending(states) == ALREADY_LOADED
        known = Recorded(
            name,
            execution_arn,
            described["status"],
            described["startDate"],
            described.get("stopDate"),
            _input(described.get("input")),
            described.get("error"),
            described.get("cause"),
            states,
            load,
            list(self._chunks.all(str(load_id), generation)) if load and not is_other else [],
            self._all_attempts(name, load),
            list(self._actions.all(str(load_id or name))),
            list(self._earlier(load)),
            stack=self._stack,
        )
        reasons, read = self._reasons(known.listed_rows)
        report = self._report(known.result.get("report"))
        return replace(known, reasons=reasons, reasons_read=read, report=report), events

    def _all_attempts(self, execution: str, load: Mapping[str, Any]) -> list[Attempt]:
        """The attempts of a load. Others than this one that could not record their end have the
        status that Step Functions knows. One that found the file loaded is not in the load's
        entry."""
        names = {execution, *map(_name, load.get("executions", ()))}
        found = self._attempts.get_all(names)
        return [one if one.execution == execution else self._ended(one) for one in found]

    def _ended(self, attempt: Attempt) -> Attempt:
        if attempt.ending is not None:
            return attempt
        try:
            found = self._states.describe_execution(executionArn=attempt.execution_arn)
        except self._states.exceptions.ExecutionDoesNotExist:
            return replace(attempt, status="UNKNOWN") if attempt.status == "RUNNING" else attempt
        return replace(attempt, status=found["status"])

    def _earlier(self, load: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        for _ in range(MAX_EARLIER):
            earlier = self._loads.load(load["replaces"]) if load.get("replaces") else None
            if earlier is None:
                return
            yield earlier
            load = earlier

    def _reasons(self, listed: str) -> tuple[list[CountedReason], int | None]:
        """The reasons of the listed rows, the most frequent first, and how many rows were read.
        The number is None if it was all of them."""
        if not listed:
            return [], None
        counts: dict[tuple[str, str], int] = {}
        lines: dict[tuple[str, str], list[int]] = {}
        read = 0
        cut = False
        try:
            for row in listed_rows(self._s3, listed):
                if read == MAX_REFUSED_READ:
                    cut = True
                    break
                read += 1
                kind = row.column, row.reason
                counts[kind] = counts.get(kind, 0) + 1
                first = lines.setdefault(kind, [])
                if len(first) < 20:
                    first.append(row.line)
        except ClientError as error:
            if not _has_expired(error):
                raise
        found = [
            CountedReason(*kind, rows, lines[kind], REASONS.get(kind[1], ""))
            for kind, rows in counts.items()
        ]
        return sorted(found, key=lambda one: -one.rows), read if cut else None

    def _report(self, address: str | None) -> bytes:
        if not address:
            return b""
        bucket, _, key = address.removeprefix("s3://").partition("/")
        try:
            return self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            if not _has_expired(error):
                raise
            return b""

    def _put(self, key: str, body: bytes, content_type: str) -> None:
        self._s3.put_object(Bucket=self._work_bucket, Key=key, Body=body, ContentType=content_type)


def _has_expired(error: ClientError) -> bool:
    """Whether a lifecycle rule has removed the object, as it does after ReportDays."""
    return error.response["Error"]["Code"] == "NoSuchKey"


def _input(text: str | None) -> dict[str, Any]:
    """An execution's input; empty if it is not an object."""
    given = json.loads(text or "{}")
    return given if isinstance(given, dict) else {}


def _name(execution_arn: str) -> str:
    return execution_arn.rpartition(":")[2]


def _lines(events: list[Event]) -> bytes:
    return b"".join(
        json.dumps(event, default=_json_time, ensure_ascii=False).encode() + b"\n"
        for event in events
    )


def _json_time(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} can't be written as JSON")
