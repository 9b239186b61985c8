"""How a kind of hostile file is described: its bytes, and by hand what must become of them.

Nothing here imports the code under test.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

COLUMNS = ("ticket_id", "product", "basket_id", "timestamp", "category", "quantity", "store")
HEADER = ",".join(COLUMNS)
USUAL = {
    "product": "Tea",
    "basket_id": "B1",
    "timestamp": "2026-01-31T10:00:00Z",
    "category": "Drinks",
    "quantity": "2",
    "store": "Lyon",
}
MAX_REFUSED_PERCENT = 50
"""What the stack is set to for the catalogue, so that small files may have bad rows."""

STATUS = {"refused": "FAILED", "failed": "FAILED", "loaded": "SUCCEEDED"}
"""The status of the execution, by the outcome's ending."""

ONE_CHUNK = (65_536,)
"""For kinds whose answer depends on what stands in one chunk, or that have very many rows."""
ANY_CHUNK = (300, 65_536)
ONE_RECORD = (1, 65_536)
"""For kinds that are about where records end: with the first size each plain row begins a chunk."""
LONG_RECORD = (65_536, 700_000)
"""For kinds with a record that is longer than a chunk. Smaller chunks would be looked through for a
plain row so often that it takes minutes."""

Note = tuple[int, str, str]
"""A row that is not written: the line it begins at, the column to blame, the reason."""
Item = dict[str, Any]


@dataclass(frozen=True)
class Unread:
    """The rest of a file that can't be read. `line` is where the trouble began."""

    reason: str
    line: int | None = None
    size: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a file, or must become of it."""

    ending: str
    """`refused` (the file), `loaded`, or `failed`."""
    reasons: tuple[tuple[str, int | None, str | None], ...] = ()
    """Of a refused file: reason, line, column."""
    items: dict[tuple[str, str], Item] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    rows_read: int = 0
    rows_written: int = 0
    blank_lines: int = 0
    unread: Unread | None = None
    first_error: tuple[int | None, str | None, str] | None = None
    unknown_columns: tuple[str, ...] = ()


def refused(*reasons: tuple[str, int | None, str | None]) -> Outcome:
    """The file is refused; nothing is written."""
    reason, line, column = reasons[0]
    return Outcome("refused", reasons, first_error=(line, column, reason))


def loaded(
    rows: list[Item],
    *,
    refused: list[Note] = [],  # noqa: B006 - never changed
    superseded: list[int] = [],  # noqa: B006 - never changed
    blank_lines: int = 0,
    unknown_columns: tuple[str, ...] = (),
    unread: Unread | None = None,
    ending: str = "loaded",
) -> Outcome:
    """The rows are written, each one an item; `superseded` gives lines."""
    items = {(row["ticket_id"], row["product"]): row for row in rows}
    assert len(items) == len(rows), "the kind's rows must have different keys"
    notes = tuple(sorted([*refused, *((line, "", "superseded") for line in superseded)]))
    return Outcome(
        ending,
        items=items,
        notes=notes,
        rows_read=len(rows) + len(notes),
        rows_written=len(rows),
        blank_lines=blank_lines,
        unread=unread,
        first_error=min(refused) if refused else None,
        unknown_columns=unknown_columns,
    )


def failed(rows: list[Item], **more: Any) -> Outcome:
    """The load fails, yet the rows are written: too many are refused, or some can't be read."""
    return loaded(rows, ending="failed", **more)


class Tickets:
    """Makes lines of a file and the items they become. `prefix` is of this file alone."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def id(self, number: int) -> str:
        return f"{self.prefix}-{number}"

    def line(self, number: int, delimiter: str = ",", **values: str) -> str:
        """A line of CSV without its end; the values stand in it as they are given."""
        return delimiter.join(({"ticket_id": self.id(number)} | USUAL | values).values())

    def row(self, number: int, **values: str) -> Item:
        """The item of the line of that number."""
        item: Item = {"ticket_id": self.id(number)} | USUAL | values
        return item | {"quantity": Decimal(item["quantity"])}

    def rows(self, *numbers: int) -> list[Item]:
        return [self.row(number) for number in numbers]


@dataclass(frozen=True)
class Kind:
    name: str
    make: Callable[[Tickets], tuple[bytes, Outcome]]
    suffix: str
    chunk_sizes: tuple[int, ...]


KINDS: dict[str, Kind] = {}


def kind(
    suffix: str = ".csv", chunk_sizes: tuple[int, ...] = ANY_CHUNK
) -> Callable[[Callable[[Tickets], tuple[bytes, Outcome]]], Callable[..., Any]]:
    """Enter a generator into the catalogue under its own name."""

    def enter(make: Callable[[Tickets], tuple[bytes, Outcome]]) -> Callable[..., Any]:
        name = make.__name__
        assert name not in KINDS
        KINDS[name] = Kind(name, make, suffix, chunk_sizes)
        return make

    return enter


def text(*lines: str, end: str = "\n") -> bytes:
    """The header and the lines, each with a line end."""
    return "".join(f"{line}{end}" for line in (HEADER, *lines)).encode()
