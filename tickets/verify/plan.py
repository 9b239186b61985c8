"""Decides which files a run uploads to a stack, and what that costs."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ingestion.csv_files.rows import Key
from ingestion.dynamodb.table_schema import TableSchema, read_table_schema
from ingestion.sources.catalogue import BUNDLED
from tickets.errors import CommandError
from tickets.runs.sources import find_sources
from tickets.runs.stack import Stack
from tickets.verify.files import COLUMNS, ExpectedRow, RowMaker, TicketFile

DOLLARS_PER_WRITE = 0.625e-6
"""Of a row of up to 1 KB, on demand, in us-east-1."""
DOLLARS_PER_TRANSITION = 25e-6

_ROWS = 96
_CHANGED_ROWS = 48
_PACKED_ROWS = 40
_STOPPED_ROWS = 40
_CHUNKED_ROWS = 120
# A line may have 1 MiB.
_MAX_FILLER_BYTES = 900_000
# A chunk begins at a row, so a file must be a little larger than a chunk to have two.
_CHUNKED_SHARE = 1.1


class _Work(NamedTuple):
    """What an execution does if it retries nothing."""

    transitions: int
    ledger_writes: int


# Transitions as in docs/operations.md#what-a-load-costs; ledger writes counted on the engine.
_SMALL_FILE = _Work(8, 8)
_LOAD_OF_ONE_CHUNK = _Work(15, 10)
_LOAD_OF_TWO_CHUNKS = _Work(23, 16)
_ALREADY_LOADED = _Work(3, 1)
_REFUSED = _Work(6, 2)
_STOPPED_AT_ITS_END = _SMALL_FILE


@dataclass(frozen=True)
class Cost:
    """What a run costs, without Lambda's time and single requests."""

    bytes_uploaded: int
    writes: int
    """Of the table, its indexes and the ledger, including the deletions at the end."""
    transitions: int

    @property
    def dollars(self) -> float:
        return self.writes * DOLLARS_PER_WRITE + self.transitions * DOLLARS_PER_TRANSITION


@dataclass(frozen=True)
class Plan:
    """The files of a run.

    run: its name, with which the keys of its files and the ids of its tickets begin. second: the
    second version of `rows`, which lacks some of its rows and changes others. chunked: has equal
    keys in different chunks; None if the stack allows no superseded rows. refused, stopped: a file
    to be refused, and one whose load is stopped; None without failures. lineage: the attribute that
    items have in addition to the attributes of their rows; None if there is none.
    """

    run: str
    schema: TableSchema
    rows: TicketFile
    second: TicketFile
    chunked: TicketFile | None
    packed: TicketFile
    refused: TicketFile | None
    stopped: TicketFile | None
    lineage: str | None = None

    @property
    def prefix(self) -> str:
        """What the keys of all files begin with."""
        return f"{self.run}/"

    @property
    def files(self) -> list[TicketFile]:
        known = (self.rows, self.second, self.chunked, self.packed, self.refused, self.stopped)
        return [file for file in known if file is not None]

    def kept(self) -> list[ExpectedRow]:
        """The rows of the first version that the second one lacks. They stay in the table."""
        replaced = {expected.row.key for expected in self.second.in_table}
        return [one for one in self.rows.in_table if one.row.key not in replaced]

    def cost(self) -> Cost:
        """Estimates the cost of the run from its rows and chunks."""
        executions = [
            *[_SMALL_FILE] * 2,  # rows and its second version
            _LOAD_OF_ONE_CHUNK,  # packed
            _ALREADY_LOADED,
        ]
        if self.chunked:
            executions.append(_LOAD_OF_TWO_CHUNKS)
        if self.refused:
            executions.append(_REFUSED)
        if self.stopped:
            executions += (_STOPPED_AT_ITS_END, _LOAD_OF_ONE_CHUNK)  # the second is its replay
        puts = sum(file.puts for file in self.files)
        deletions = len(self.row_keys())
        indexes = len(self.schema.indexes)
        return Cost(
            bytes_uploaded=sum(file.size for file in (*self.files, self.second)),
            writes=(puts + deletions) * (1 + indexes)
            + sum(work.ledger_writes for work in executions),
            transitions=sum(work.transitions for work in executions),
        )

    def row_keys(self) -> list[Key]:
        """The keys of all rows, including the refused ones, each once."""
        rows = (one.row.key for file in self.files for one in (*file.in_table, *file.refused))
        return list(dict.fromkeys(rows))


def make_plan(stack: Stack, failures: bool) -> Plan:
    """Looks up the stack's parameters and its table, and makes the files.

    failures: whether to make files for the checks of failures, too.
    Raises CommandError if rows for the table can't be made, or a declared source applies to a file.
    """
    parameters = _parameters(stack)
    schema = _schema(stack)
    run = f"verify-{secrets.token_hex(4)}"
    maker = RowMaker(run, schema)
    chunk_size = int(parameters["ChunkSizeBytes"])
    max_superseded = float(parameters["MaxSupersededPercent"])
    plan = Plan(
        run=run,
        schema=schema,
        rows=rows_file(maker, f"{run}/rows.csv", float(parameters["MaxRefusedPercent"])),
        second=second_version(maker, f"{run}/rows.csv"),
        chunked=chunked_file(maker, f"{run}/chunks.csv", chunk_size, max_superseded),
        packed=packed_file(maker, f"{run}/packed.csv.gz"),
        refused=file_without_quantity(maker, f"{run}/refused.csv") if failures else None,
        stopped=stopped_file(maker, f"{run}/stopped.csv") if failures else None,
        lineage=parameters.get("LineageAttribute") or None,
    )
    _check_sources(plan.files)
    return plan


def rows_file(maker: RowMaker, key: str, max_refused_percent: float) -> TicketFile:
    """A file of good rows, a blank line, and as many bad rows as a load may have: one to four."""
    allowed = int(_ROWS * max_refused_percent / 100)
    bad = [
        ({"quantity": "two"}, "quantity", "bad_quantity"),
        ({"timestamp": "2026-02-30T12:00:00Z"}, "timestamp", "bad_timestamp"),
        ({"basket_id": ""}, "basket_id", "missing_value"),
    ][: max(1, allowed)]
    file = TicketFile(key, maker)
    for number in range(_ROWS):
        file.add(maker.values("a", number))
        if number % 20 == 10 and bad:
            damage, column, reason = bad.pop()
            file.add_refused(maker.values("bad", number), damage, column, reason)
    file.add_blank_line()
    if allowed > 3:
        file.add_cut_off(maker.values("bad", _ROWS))
    return file


def second_version(maker: RowMaker, key: str) -> TicketFile:
    """Half of the first version's rows, changed, and a few new ones."""
    file = TicketFile(key, maker)
    for number in range(_CHANGED_ROWS):
        file.add(maker.changed(maker.values("a", number)))
    for number in range(_ROWS, _ROWS + 8):
        file.add(maker.values("a", number))
    return file


def chunked_file(
    maker: RowMaker, key: str, chunk_size: int, max_superseded_percent: float
) -> TicketFile | None:
    """A file of two chunks that ends with rows that have the keys of its first rows.

    Its rows are large, but not its items: most of their bytes are in a column that isn't stored.
    None if the stack doesn't allow even one superseded row.
    """
    size = int(chunk_size * _CHUNKED_SHARE)
    rows = max(_CHUNKED_ROWS, size // _MAX_FILLER_BYTES + 1)
    superseded = min(2, int((rows + 2) * max_superseded_percent / 100))
    if not superseded:
        return None
    file = TicketFile(key, maker, filler_bytes=size // rows)
    file.min_chunks = 2
    values = [maker.values("c", number) for number in range(rows)]
    for row in values[:superseded]:
        file.add_superseded(row)
    for row in values[superseded:]:
        file.add(row)
    for row in values[:superseded]:
        file.add(maker.changed(row))
    return file


def packed_file(maker: RowMaker, key: str) -> TicketFile:
    """A file for gzip, with semicolons and CRLF."""
    file = TicketFile(key, maker, delimiter=";", newline="\r\n")
    for number in range(_PACKED_ROWS):
        file.add(maker.values("z", number))
    return file


def file_without_quantity(maker: RowMaker, key: str) -> TicketFile:
    """A file that is refused, because its header has no column quantity."""
    return TicketFile(key, maker, columns=[name for name in COLUMNS if name != "quantity"])


def stopped_file(maker: RowMaker, key: str) -> TicketFile:
    file = TicketFile(key, maker)
    for number in range(_STOPPED_ROWS):
        file.add(maker.values("s", number))
    return file


def _check_sources(files: Sequence[TicketFile]) -> None:
    if not BUNDLED.is_dir():  # the command is installed without the declarations
        return
    sources = find_sources()
    for file in files:
        source = sources.source_for(file.key)
        if source is not sources.built_in:
            raise CommandError(
                f"The source {source.name} applies to {file.key}, but the files of `tickets "
                "verify` have the built-in format. Narrow the source's patterns, so that none "
                "matches keys that begin with verify-."
            )


def _parameters(stack: Stack) -> Mapping[str, str]:
    found = stack.client("cloudformation").describe_stacks(StackName=stack.name)["Stacks"][0]
    return {one["ParameterKey"]: one["ParameterValue"] for one in found["Parameters"]}


def _schema(stack: Stack) -> TableSchema:
    schema = read_table_schema(stack.client("dynamodb"), stack.table)
    if schema is None:
        raise CommandError(f"Table {stack.table} does not exist: create it before you verify.")
    types = {attribute.name: attribute.type for attribute in schema.key}
    made = types.get("ticket_id") == "S" and all(
        name in COLUMNS and kind == ("N" if name == "quantity" else "S")
        for name, kind in types.items()
    )
    if not made:
        key = ", ".join(f"{name} ({kind})" for name, kind in types.items())
        raise CommandError(
            f"The key of table {stack.table} is {key}: `tickets verify` can make rows only for a "
            "key of ticket_id (S) and at most one other column of the files with its usual type."
        )
    return schema
