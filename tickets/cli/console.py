"""Standard output and standard error of the command: text for people, JSON lines for programs."""

import dataclasses
import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

_UNLIMITED_WIDTH = 100_000
_GAP = 3
_INDENT = "  "
_NEWLINE = "\u2424"  # keys may have newlines in them
# Names of objects and text of rows come from uploaders, and a terminal executes the escape
# sequences in them.
_CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"}
_CONTROLS |= {0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)


def sanitize(text: str) -> str:
    """Replaces control characters other than newlines and tabs by visible symbols."""
    return text.translate(_CONTROLS)


class _Console(Console):
    """A console that sanitizes what it prints, except its own control sequences, and that lets the
    terminal wrap lines, so that a name or a command can be copied whole.

    Without a terminal, lines have no limit.
    """

    def __init__(self, *, quiet: bool, stderr: bool) -> None:
        super().__init__(
            highlight=False, soft_wrap=True, quiet=quiet, stderr=stderr, color_system=_colors()
        )
        if not self.is_terminal:
            self.width = _UNLIMITED_WIDTH

    @property
    def is_terminal(self) -> bool:
        """Whether the output is a terminal. FORCE_COLOR only colors what is printed elsewhere."""
        return self.file.isatty()

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=sanitize(segment.text))


def console(quiet: bool = False, stderr: bool = False) -> Console:
    """A console that prints to the current `sys.stdout` or `sys.stderr`; a quiet one prints
    nothing."""
    return _Console(quiet=quiet, stderr=stderr)


def print_json(value: Any) -> None:
    """Prints a value, or the fields of a dataclass, as one line of JSON. Times are in UTC, with
    milliseconds, as `utc` writes them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    print(json.dumps(value, ensure_ascii=False, default=_json_default), flush=True)


def utc(moment: datetime) -> str:
    """`2026-11-26T17:05:12.000Z`, as in the ledger."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def print_error(text: str) -> None:
    """Prints a sentence to standard error."""
    print(sanitize(text), file=sys.stderr)


def print_record(out: Console, heading: Sequence[Text], lines: Iterable[str]) -> None:
    """Prints a heading, and indented lines below it. Without a terminal, it is all one line."""
    if out.is_terminal:
        out.print(*heading, sep=_INDENT)
        for line in lines:
            out.print(Text(f"{_INDENT}{line}"))
    else:
        parts = [*heading, *map(Text, lines)]
        for part in parts:
            part.plain = part.plain.replace("\n", _NEWLINE)
        out.print(*parts, sep=_INDENT)


def new_table(*columns: str, wrapped: Collection[str] = ()) -> Table:
    """Makes a table without rules, whose first column names what each row is about.

    wrapped: the columns whose texts may be wrapped. If the others don't fit into a terminal, each
    row's first column gets a line of its own, with the rest below it. Without a terminal, each row
    is one line.
    """
    table = _Records(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=column not in wrapped)
    return table


class _Records(Table):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not console.is_terminal:
            self.expand = False
            yield from _without_trailing_blanks(super().__rich_console__(console, options))
        elif self._least_width(console, options) <= options.max_width:
            yield from super().__rich_console__(console, options)
        else:
            yield from self._below_each_other(console, options)

    def _least_width(self, console: Console, options: ConsoleOptions) -> int:
        unlimited = options.update(width=_UNLIMITED_WIDTH)
        widths = [_least_width(console, unlimited, column) for column in self.columns]
        return sum(widths) + _GAP * (len(widths) - 1)

    def _below_each_other(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width - len(_INDENT)
        for cells in zip(*(column.cells for column in self.columns), strict=True):
            name, *others = (_text(console, cell) for cell in cells)
            yield name
            line = Text(" " * _GAP).join(other for other in others if other)
            for part in line.wrap(console, width):
                part.rstrip()
                yield Text(_INDENT) + part


def _without_trailing_blanks(result: RenderResult) -> Iterator[Segment]:
    """A table pads its last column to the width of the longest row, which may be 500 characters."""
    segments = (segment for segment in result if isinstance(segment, Segment))
    for line in Segment.split_lines(segments):
        while line and not (text := line[-1].text.rstrip(" ")):
            line.pop()
        yield from line[:-1]
        if line:
            yield line[-1]._replace(text=text)
        yield Segment.line()


def _least_width(console: Console, options: ConsoleOptions, column: Column) -> int:
    """The width of a column when its texts are wrapped or cut off as far as allowed."""
    texts = [column.header, *column.cells]
    if column.overflow == "ellipsis" and column.ratio:
        texts = [column.header]
    measured = [Measurement.get(console, options, _text(console, text)) for text in texts]
    return max(one.maximum if column.no_wrap else one.minimum for one in measured)


def _text(console: Console, cell: RenderableType) -> Text:
    return cell if isinstance(cell, Text) else console.render_str(str(cell))


def _colors() -> Any:
    """The colors that Rich may use: what the terminal supports, none with NO_COLOR, and the
    standard 16 with FORCE_COLOR."""
    if os.environ.get("NO_COLOR"):
        return None
    return "standard" if os.environ.get("FORCE_COLOR") else "auto"


def _json_default(value: Any) -> str:
    if isinstance(value, datetime):
        return utc(value)
    raise TypeError(f"{type(value).__name__} can't be written as JSON")
