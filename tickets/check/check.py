"""Checks one file: what Validate File, Split File, Write Chunk and Reconcile would do with it."""

import csv
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from ingestion.contracts import Chunk, File, LoadRequest, Plan, Reason, Verdict
from ingestion.sources.catalogue import Sources
from ingestion.sources.model import Source
from ingestion.tasks.quality_limits import QualityLimits
from ingestion.tasks.shortfall import NOT_READ, UNREAD
from ingestion.tasks.split_file import Planner
from ingestion.tasks.validate_file import Validator
from tickets.check.equal_keys import EqualRows, count_earlier
from tickets.check.estimate import Estimate, estimate
from tickets.check.rows import Reading, Rows, read_rows
from tickets.check.stand_ins import (
    UPLOADS,
    WORK,
    LocalLoads,
    LocalObjects,
    LocalTurns,
    local_table,
)

CHUNK_SIZE = 16 * 1024 * 1024
MAX_REFUSED_PERCENT = 5.0
MAX_SUPERSEDED_PERCENT = 50.0
"""The defaults of the stack's parameters ChunkSizeBytes, MaxRefusedPercent and
MaxSupersededPercent."""

STANDARD_INPUT = "-"
_UNLIMITED_SECONDS = 1e9
_LAST_LINES = 3
_TOO_LITTLE = ("missing_value", "too_few_fields")


@dataclass(frozen=True)
class Checked:
    """What became of one file."""

    source: Source
    would_succeed: bool
    verdict: str
    """A sentence."""
    reasons: Sequence[Reason] = ()
    """Why the file is refused."""
    file: File | None = None
    """None if Validate File refuses it."""
    titles: Sequence[str] = ()
    """The titles of the file's columns, if one line is the header."""
    not_stored: Sequence[str] = ()
    """The titles of the columns that no field belongs to."""
    chunks: int = 0
    largest_chunk: int = 0
    rows: Rows = field(default_factory=Rows)
    """The rows of the whole file, with their lines in the file."""
    superseded: int = 0
    combined: int = 0
    """Rows that are added to others."""
    equal_rows: Sequence[EqualRows] = ()
    estimate: Estimate | None = None

    @property
    def may_have_totals(self) -> bool:
        """Whether a row in one of the last lines is refused because it has too little in it."""
        return any(
            row.line > self.rows.lines - _LAST_LINES and row.reason in _TOO_LITTLE
            for row in self.rows.shown
        )

    @property
    def written(self) -> int:
        return self.rows.accepted - self.superseded - self.combined


def check_file(path: Path, key: str, sources: Sources, units_per_second: float) -> Checked:
    """Checks a local file as an object with this key.

    `-` is standard input. Temporary files hold what a pipe delivers, what Split File would
    unpack, and 16 bytes for each row. Raises OSError.
    """
    with TemporaryDirectory(prefix="tickets-check-") as folder:
        work = Path(folder)
        if str(path) == STANDARD_INPUT:
            path = _copied(sys.stdin.buffer, work)
        elif path.is_fifo():
            with path.open("rb") as pipe:
                path = _copied(pipe, work)
        return _Check(path, key, sources.source_for(key), work).run(units_per_second)


def _copied(pipe: BinaryIO, work: Path) -> Path:
    """Copies a pipe to a file, because a check reads parts of a file, and reads some twice."""
    path = work / "input"
    with path.open("wb") as file:
        shutil.copyfileobj(pipe, file)
    return path


class _Check:
    def __init__(self, path: Path, key: str, source: Source, work: Path) -> None:
        self._path = path
        self._key = key
        self._source = source
        self._work = work
        self._objects = LocalObjects(path, key, work)
        self._loads = LocalLoads()
        self._table = local_table(source)
        superseded = source.max_superseded_percent
        self._limits = QualityLimits(
            MAX_REFUSED_PERCENT, MAX_SUPERSEDED_PERCENT if superseded is None else superseded
        )

    def run(self, units_per_second: float) -> Checked:
        verdict = self._validate()
        if verdict.file is None:
            return Checked(self._source, False, verdict.summary, verdict.reasons)
        file = verdict.file
        plan = self._plan(file)
        if plan.refusal:
            return Checked(self._source, False, plan.refusal.detail, [plan.refusal], file)
        listed = json.loads(self._objects.read(plan.bucket, plan.key))
        chunks = [Chunk.from_json(chunk) for chunk in listed]
        schema = self._table.schema_for(file)
        reading = Reading(self._path, self._work, file, schema, chunks, plan.digest_key)
        read = list(read_rows(reading))
        rows = Rows(lines=file.lines_before_data)
        for chunk in read:
            rows = rows.plus(chunk)
        earlier, equal_rows = count_earlier(reading, read)
        puts = rows.accepted
        is_sum, unique = self._source.equal_keys == "sum", self._unique_field()
        if unique:
            rows = rows.refusing(earlier, unique, "not_unique")
        superseded = 0 if unique or is_sum else earlier
        problem = self._problem(plan, rows, superseded)
        return Checked(
            self._source,
            would_succeed=problem is None,
            verdict=problem or "The load would succeed.",
            file=file,
            titles=self._titles(file, chunks),
            not_stored=self._loads.facts["unknown_columns"],
            chunks=len(chunks),
            largest_chunk=max((chunk.end - chunk.start for chunk in chunks), default=0),
            rows=rows,
            superseded=superseded,
            combined=earlier if is_sum else 0,
            equal_rows=equal_rows,
            estimate=estimate(puts, rows.write_units, units_per_second),
        )

    def _validate(self) -> Verdict:
        validator = Validator(
            self._objects.client,
            self._loads,
            LocalTurns(),
            self._table,
            self._limits,
            Sources(self._source, []),
            CHUNK_SIZE,
        )
        return validator.validate(LoadRequest(UPLOADS, self._key), "")

    def _plan(self, file: File) -> Plan:
        planner = Planner(self._objects.client, self._loads, WORK, CHUNK_SIZE)
        return planner.plan("check", file, _UNLIMITED_SECONDS)

    def _titles(self, file: File, chunks: Sequence[Chunk]) -> list[str]:
        if file.header_lines != 1 or not chunks:
            return []
        text = self._objects.read(chunks[0].bucket, chunks[0].key, file.data_start)
        dialect = self._source.dialect
        lines = text.decode("utf-8-sig", "replace").splitlines(keepends=True)[-1:]
        return next(
            csv.reader(
                lines,
                delimiter=file.delimiter,
                quotechar=dialect.quote_char or None,
                quoting=csv.QUOTE_MINIMAL if dialect.quote_char else csv.QUOTE_NONE,
                escapechar=dialect.escape_char,
            ),
            [],
        )

    def _unique_field(self) -> str | None:
        """The field in which no two rows may have the same value."""
        fields = (field.name for field in self._source.fields if field.constraints.unique)
        return next(fields, None)

    def _problem(self, plan: Plan, rows: Rows, superseded: int) -> str | None:
        """Why the load would fail, or None."""
        if plan.unread:
            return UNREAD.get(plan.unread.reason, NOT_READ)
        totals = {
            "rows_read": rows.read,
            "rows_refused": rows.refused,
            "rows_superseded": superseded,
        }
        return self._limits.exceeded(totals)
