"""Makes files of tickets row by row, and writes down what must become of each row.

The expectations come from how a row is made. Nothing here reads a file or uses the loader's rules.
"""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ingestion.contracts import RefusedRow
from ingestion.csv_files.rows import Item, Row
from ingestion.dynamodb.table_schema import TableSchema

Values = Mapping[str, str]
"""The value of each of COLUMNS."""

COLUMNS = ("ticket_id", "product", "basket_id", "timestamp", "category", "quantity", "store")
FILLER_COLUMN = "filler"
"""A column that is not stored. It makes a file large without making its items large."""

MAX_LISTED_BYTES = 2_000
"""How much of a row's text the list of refused rows has; see docs/files.md."""

_PRODUCTS = (
    "Baguette",
    "Crème fraîche",
    "Screws, M4",
    'Sponge "Super Soft"',
    "Gift card\nwith envelope",
    'Pipe 5" copper',
)
_CATEGORIES = ("Bakery", "", "Ménage")
_STORES = ("Málaga", "Leeds, North", "", "Zürich")


class ExpectedRow(NamedTuple):
    """A row, and the line at which it begins. The header is line 1."""

    line: int
    row: Row


class RowMaker:
    """Makes the rows of one run for a table. No other run makes a row with the same key."""

    def __init__(self, run: str, schema: TableSchema) -> None:
        self._run = run
        self._key = schema.key_names
        self._left_out_if_empty = frozenset(schema.index_only_keys)
        # Not an attribute of the key, so that a row can have other values and the same key.
        self._changed = next(name for name in ("quantity", "store") if name not in self._key)

    def values(self, file: str, number: int) -> dict[str, str]:
        """The values of a good row. `file` and `number` tell it from all other rows of the run."""
        values = {
            "ticket_id": f"{self._run}-{file}-{number:04d}",
            "product": _PRODUCTS[number % len(_PRODUCTS)],
            "basket_id": f"B{number // 3:04d}",
            "timestamp": f"2026-01-{number % 28 + 1:02d}T{number % 24:02d}:05:09Z",
            "category": _CATEGORIES[number % len(_CATEGORIES)],
            "quantity": str(number % 12 - 1),
            "store": _STORES[number % len(_STORES)],
        }
        return {
            name: value or ("none" if name in self._key else "") for name, value in values.items()
        }

    def changed(self, values: Values) -> dict[str, str]:
        """The values of another row with the same key."""
        return {**values, self._changed: f"10{values['ticket_id'][-4:]}"}

    def row(self, values: Values) -> Row:
        """The row as the table must have it."""
        item: Item = {
            name: {"S": value}
            for name, value in values.items()
            if value or name not in self._left_out_if_empty
        }
        item["quantity"] = {"N": values["quantity"]}
        return Row(tuple(values[name] for name in self._key), item)


class TicketFile:
    """A file that grows row by row, and what must become of its rows.

    key: its key in the upload bucket. If it ends in .gz, the file is compressed.
    filler_bytes: the size of each row's value of FILLER_COLUMN; 0 for a file without the column.
    """

    def __init__(
        self,
        key: str,
        maker: RowMaker,
        *,
        columns: Iterable[str] = COLUMNS,
        delimiter: str = ",",
        newline: str = "\n",
        filler_bytes: int = 0,
    ) -> None:
        self.key = key
        self.in_table: list[ExpectedRow] = []
        """The rows whose items must be in the table."""
        self.refused: list[ExpectedRow] = []
        """The rows that are refused, as they would be if they were good."""
        self.listed: list[RefusedRow] = []
        """What the list of refused rows must contain."""
        self.lines = 0
        self.blank_lines = 0
        self.min_chunks = 1
        self.unknown_columns = [FILLER_COLUMN] if filler_bytes else []
        self._maker = maker
        self._delimiter = delimiter
        self._newline = newline
        self._filler = f"{delimiter}{'x' * filler_bytes}" if filler_bytes else ""
        self._parts: list[str] = []  # the filler is one object, however often it is in the list
        self._append(self._text(columns), f"{delimiter}{FILLER_COLUMN}" if filler_bytes else "")

    @property
    def totals(self) -> dict[str, int]:
        superseded = sum(row.reason == "superseded" for row in self.listed)
        return {
            "rows_read": len(self.in_table) + len(self.listed),
            "rows_written": len(self.in_table),
            "rows_superseded": superseded,
            "rows_refused": len(self.listed) - superseded,
        }

    @property
    def puts(self) -> int:
        """The most puts that loading the file takes. A superseded row may be put first, and the row
        that supersedes it twice."""
        return self.totals["rows_written"] + 2 * self.totals["rows_superseded"]

    @property
    def size(self) -> int:
        """The size of the file in bytes, before it is compressed."""
        return sum(len(part.encode()) for part in self._parts)

    def add(self, values: Values) -> None:
        """Adds a row whose item must be in the table."""
        self.in_table.append(ExpectedRow(self.lines + 1, self._maker.row(values)))
        self._append(self._text(values.values()))

    def add_superseded(self, values: Values) -> None:
        """Adds a good row whose key a later row of the file has, too."""
        self._append(self._text(values.values()), listed=("", "superseded"))

    def add_refused(self, values: Values, damage: Values, column: str, reason: str) -> None:
        """Adds a good row with damaged values, which must be refused.

        damage: the values that replace good ones.
        """
        self.refused.append(ExpectedRow(self.lines + 1, self._maker.row(values)))
        self._append(self._text({**values, **damage}.values()), listed=(column, reason))

    def add_cut_off(self, values: Values) -> None:
        """Adds a row without its last field, which must be refused."""
        self.refused.append(ExpectedRow(self.lines + 1, self._maker.row(values)))
        self._append(self._text([*values.values()][:-1]), listed=("", "too_few_fields"))

    def add_blank_line(self) -> None:
        self.blank_lines += 1
        self.lines += 1
        self._parts.append(self._newline)

    def write(self, path: Path) -> None:
        """Writes the file, compressed if its key says so. Raises OSError."""
        with path.open("wb") as file:
            if not self.key.endswith(".gz"):
                file.writelines(self._encoded())
                return
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                packed.writelines(self._encoded())

    def _encoded(self) -> Iterator[bytes]:
        for part in self._parts:
            yield part.encode()

    def _text(self, fields: Iterable[str]) -> str:
        line = io.StringIO(newline="")
        csv.writer(line, delimiter=self._delimiter, lineterminator="\n").writerow(fields)
        return line.getvalue().removesuffix("\n")

    def _append(
        self, text: str, filler: str | None = None, listed: tuple[str, str] | None = None
    ) -> None:
        """Adds a line. `listed` is the column and the reason if it is a row that isn't written."""
        filler = self._filler if filler is None else filler
        if listed is not None:
            raw = (text + filler).encode()[:MAX_LISTED_BYTES].decode()
            self.listed.append(RefusedRow(self.lines + 1, *listed, raw))
        self._parts += (text, filler, self._newline)
        self.lines += 1 + text.count("\n")
