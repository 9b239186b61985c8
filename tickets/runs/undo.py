"""Undoes a load: deletes the items that still carry its lineage.

An item is deleted only on the condition that it still has the lineage of the row, so an item that
another load has written since stays. If the command is ended, the next one continues where the
ledger says.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ingestion.csv_files.rows import Item, Key, Row
from ingestion.dynamodb.table_schema import TableSchema, read_table_schema, table_missing
from ingestion.ledger.actions import Actions
from ingestion.ledger.loads import Loads
from ingestion.ledger.store import Entry
from ingestion.ledger.undo import UNDONE, Undo, UndoProgress, loads_of_object, undo_progress
from ingestion.ledger.versions import LOOK_SECONDS, ClaimHeld, WriterLease
from ingestion.sources.lineage import Lineage, read_lineage
from tickets.errors import CommandError
from tickets.runs.executions import known_execution
from tickets.runs.identity import caller
from tickets.runs.loaded_file import missing_objects_explained
from tickets.runs.loaded_rows import LoadedRows, load_that_read
from tickets.runs.stack import Stack
from tickets.runs.table_reader import TableReader
from tickets.runs.waiting import DeadlinePassed, polls

ROWS_PER_SECOND = 1_000
"""The default limit of rows that are looked up per second, and so of items that are deleted."""
ROUND_SECONDS = 240.0
"""The longest time between two leases. Loads of the object wait for at most that long, and for a
minute, if the command is killed."""
WAIT_SECONDS = 60.0
"""How long to wait for functions that may still be writing. Functions that are running see the
claim within seconds and stop. Functions that were killed have certainly ended when their lease
expires."""
DELETES_AT_A_TIME = 16


@dataclass(frozen=True)
class EarlierLoad:
    """A load of an earlier version of the object."""

    load_id: str
    version_id: str
    started_at: str
    rows_written: int | None
    address: str
    """What `tickets ingest` takes: `s3://bucket/key?versionId=ID`."""


@dataclass
class Undone:
    """What undoing a load has deleted, or would delete."""

    load_id: str
    bucket: str
    key: str
    version_id: str | None
    status: str
    """The load's status: UNDONE, unless nothing was deleted because it was a dry run."""
    dry_run: bool
    rows_read: int = 0
    """Rows of the file that were looked up, without those of an earlier command."""
    items_found: int = 0
    """Items that carried the load's lineage when they were looked up."""
    items_deleted: int = 0
    """Items that were deleted, including those of an earlier command that did not end. A command
    that was killed may have deleted up to 100 more."""
    rows_replaced: int = 0
    """Rows whose item has other lineage or none: another load or program has written it since."""
    rows_gone: int = 0
    """Rows whose item is not in the table."""
    overtaken: bool = False
    """Whether a later version has claimed the object. Earlier ones can't be loaded again then."""
    undone_at: str | None = None
    earlier_loads: list[EarlierLoad] = field(default_factory=list)
    """The loads of earlier versions that S3 still has, the newest version first."""


def undo(
    stack: Stack,
    name_or_arn: str,
    *,
    dry_run: bool = True,
    reason: str | None = None,
    rows_per_second: float = ROWS_PER_SECOND,
    on_progress: Callable[[Undone], None] = lambda undone: None,
) -> Undone:
    """Deletes the items that carry the lineage of an execution's load; see the module.

    dry_run: only count them.
    on_progress: called with the counts so far, after each hundred rows or fewer.
    Raises CommandError if the load's items have no lineage, if an execution of the object's version
    is running, if another one claims the object in the meantime, and if the file or the table can't
    be read.
    """
    load = load_that_read(stack, name_or_arn)
    ledger = Loads(stack.client("dynamodb"), stack.ledger_table)
    load = ledger.load(load["load_id"]) or load  # an index may have had an older state
    lineage = (load.get("source") or {}).get("lineage")
    if lineage is None:
        raise CommandError(
            f"The items of load {load['load_id']} have no lineage, because the stack had no "
            "LineageAttribute when it began. It can't be undone."
        )
    for arn in load["executions"]:
        if _is_running(stack, arn):
            name = arn.rpartition(":")[2]
            raise CommandError(
                f"Execution {name} is running: wait until it has ended, or stop it with `tickets "
                f"stop {name}`."
            )
    schema = read_table_schema(stack.client("dynamodb"), stack.table)
    if schema is None:
        raise CommandError(table_missing(stack.table).detail)
    undone = Undone(
        load_id=load["load_id"],
        bucket=load["bucket"],
        key=load["key"],
        version_id=load.get("version_id"),
        status=load["status"],
        dry_run=dry_run,
        earlier_loads=_earlier_loads(stack, load),
    )
    progress = undo_progress(load)
    if load["status"] == UNDONE and progress and progress.finished_at:
        return replace(undone, items_deleted=progress.items_deleted, undone_at=progress.finished_at)
    with missing_objects_explained(
        "The load can't be undone without it.", "The load can be undone"
    ):
        file = LoadedRows(stack.client("s3"), load, schema)
        reader = TableReader(stack.client("dynamodb"), stack.table, schema, rows_per_second)
        items = _Items(stack, schema, reader, lineage, load["load_id"])
        if dry_run:
            for batch in items.batches(file, 0):
                items.look_up(batch, undone)
                on_progress(undone)
            return undone
        return _Undoing(stack, load, items, undone, on_progress).run(file, reason)


class _Items:
    """The items of a load's rows."""

    def __init__(
        self, stack: Stack, schema: TableSchema, reader: TableReader, lineage: str, load_id: str
    ) -> None:
        self._client = stack.client("dynamodb")
        self._table = stack.table
        self._key = schema.key_names
        self._reader = reader
        self._lineage = lineage
        self._load_id = load_id

    def batches(self, file: LoadedRows, after_line: int) -> Iterator[dict[int, Row]]:
        """Yields the accepted rows after a line, by line. No batch has equal keys."""
        batch: dict[int, Row] = {}
        keys: set[Key] = set()
        for line, row in file.rows():
            if row is None or line <= after_line:
                continue
            if len(batch) == self._reader.batch_rows or row.key in keys:
                yield batch
                batch, keys = {}, set()
            batch[line] = row
            keys.add(row.key)
        if batch:
            yield batch

    def look_up(self, batch: Mapping[int, Row], undone: Undone) -> list[tuple[int, Row]]:
        """Returns the lines and the rows whose items carry their lineage, and counts them."""
        found = []
        items = self._reader.items(list(batch.values()))
        for (line, row), item in zip(batch.items(), items, strict=True):
            undone.rows_read += 1
            lineage = self._lineage_of(item)
            if item is None:
                undone.rows_gone += 1
            elif lineage is None or lineage.load_id != self._load_id:
                undone.rows_replaced += 1
            elif lineage.line == line:  # otherwise, a later row of the file has the same key
                found.append((line, row))
        undone.items_found += len(found)
        return found

    def delete(self, line: int, row: Row) -> bool:
        """Deletes the item of a row, unless its lineage has changed. Returns whether it did."""
        try:
            self._client.delete_item(
                TableName=self._table,
                Key={name: row.item[name] for name in self._key},
                ConditionExpression="#lineage = :lineage",
                ExpressionAttributeNames={"#lineage": self._lineage},
                ExpressionAttributeValues={":lineage": {"S": f"{self._load_id}#{line}"}},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _lineage_of(self, item: Item | None) -> Lineage | None:
        return read_lineage((item or {}).get(self._lineage, {}).get("S", ""))


class _Undoing:
    """Deletes the items of one load."""

    def __init__(
        self,
        stack: Stack,
        load: Mapping[str, Any],
        items: _Items,
        undone: Undone,
        on_progress: Callable[[Undone], None],
    ) -> None:
        self._stack = stack
        dynamodb = stack.client("dynamodb")
        self._undo = Undo(stack.client("s3"), dynamodb, stack.ledger_table, load)
        self._items = items
        self._undone = undone
        self._on_progress = on_progress

    def run(self, file: LoadedRows, reason: str | None) -> Undone:
        undone, by = self._undone, caller(self._stack)
        try:
            undone.overtaken = not self._undo.claim(partial(_is_running, self._stack))
        except ClaimHeld as error:
            raise CommandError(
                "An execution of the same version of the object is running: wait until it has "
                "ended, or stop it with `tickets stop`."
            ) from error
        self._await_writers()
        with self._undo.lease(ROUND_SECONDS) as lease:
            self._check_claim(lease)
            progress = self._undo.begin(by, reason)
            lease.give_back()
        undone.items_deleted = progress.items_deleted
        batches = self._items.batches(file, progress.line)
        is_done = False
        while not is_done:
            progress, is_done = self._round(batches, progress)
        if undone.overtaken:
            undone.earlier_loads.clear()
        newest = undone.earlier_loads[0].version_id if undone.earlier_loads else None
        undone.undone_at = self._undo.finish(progress, newest).finished_at
        undone.status = UNDONE
        actions = Actions(self._stack.client("dynamodb"), self._stack.ledger_table)
        actions.record(undone.load_id, "undo", by, reason, items_deleted=undone.items_deleted)
        return undone

    def _await_writers(self) -> None:
        """Waits until no function of the load can write any more."""
        try:
            for _ in polls(1.0, WAIT_SECONDS):
                if self._undo.writing_until() is None:
                    return
        except DeadlinePassed:
            until = datetime.fromtimestamp(self._undo.writing_until() or time.time(), UTC)
            raise CommandError(
                f"A function of the load may still be writing until {until:%Y-%m-%d %H:%M:%S} UTC: "
                "run the command again then."
            ) from None

    def _round(
        self, batches: Iterator[dict[int, Row]], progress: UndoProgress
    ) -> tuple[UndoProgress, bool]:
        """Deletes items under one lease. Returns the progress, and whether all are deleted."""
        end = time.monotonic() + ROUND_SECONDS - LOOK_SECONDS
        next_look = 0.0
        with (
            self._undo.lease(ROUND_SECONDS) as lease,
            ThreadPoolExecutor(DELETES_AT_A_TIME, "undo") as pool,
        ):
            try:
                while time.monotonic() < end:
                    if time.monotonic() >= next_look:
                        self._check_claim(lease)
                        self._undo.save(progress)
                        next_look = time.monotonic() + LOOK_SECONDS
                    batch = next(batches, None)
                    if batch is None:
                        return progress, True
                    progress = self._delete(batch, pool, progress)
                    self._on_progress(self._undone)
            except (BotoCoreError, ClientError):  # a request without an answer may be carried out
                lease.stray_requests()
                raise
            finally:
                self._undo.save(progress)
                lease.give_back()
        return progress, False

    def _delete(
        self, batch: Mapping[int, Row], pool: ThreadPoolExecutor, progress: UndoProgress
    ) -> UndoProgress:
        found = self._items.look_up(batch, self._undone)
        deleted = sum(pool.map(lambda one: self._items.delete(*one), found))
        self._undone.items_deleted += deleted
        self._undone.rows_replaced += len(found) - deleted
        return replace(progress, line=max(batch), items_deleted=self._undone.items_deleted)

    def _check_claim(self, lease: WriterLease) -> None:
        if not self._undone.overtaken and lease.overtaken():
            raise CommandError(
                "A load has claimed the object since then, and waits until this command has "
                "ended. What is deleted stays deleted, and that load writes its own rows."
            )


def _is_running(stack: Stack, arn: str) -> bool:
    execution = known_execution(stack, arn)
    return execution is not None and execution.status == "RUNNING"


def _earlier_loads(stack: Stack, load: Mapping[str, Any]) -> list[EarlierLoad]:
    """The newest load of each earlier version of the object that S3 still has. Those that wrote
    nothing and those that were undone are left out."""
    if load.get("version_id") is None or load.get("resubmits"):
        return []
    dynamodb = stack.client("dynamodb")
    known: dict[str, Entry] = {}
    for one in loads_of_object(dynamodb, stack.ledger_table, load["object_url"]):
        if one.get("rows_written") and one["status"] != UNDONE and one.get("version_id"):
            known.setdefault(one["version_id"], one)
    found = []
    is_earlier = False
    for version_id in _versions(stack, load["bucket"], load["key"]):
        if version_id == load["version_id"]:
            is_earlier = True
        elif is_earlier and version_id in known:
            earlier = known[version_id]
            found.append(
                EarlierLoad(
                    earlier["load_id"],
                    version_id,
                    earlier["started_at"],
                    earlier["rows_written"],
                    f"{load['object_url']}?versionId={version_id}",
                )
            )
    return found


def _versions(stack: Stack, bucket: str, key: str) -> Iterator[str]:
    """Yields the versions of an object, the newest first."""
    pages = stack.client("s3").get_paginator("list_object_versions")
    for page in pages.paginate(Bucket=bucket, Prefix=key):
        for version in page.get("Versions", []):
            if version["Key"] != key:
                return  # keys are listed in order
            yield version["VersionId"]
