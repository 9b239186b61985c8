"""Standard output and standard error of the command: text for people, JSON lines for programs."""

import dataclasses
import json
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

_WIDTH_WITHOUT_TERMINAL = 110
# Names of objects and text of rows come from uploaders, and a terminal executes the escape
# sequences in them.
_CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"}
_CONTROLS |= {0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)


def sanitize(text: str) -> str:
    """Replaces control characters other than newlines and tabs by visible symbols."""
    return text.translate(_CONTROLS)


class _SanitizingConsole(Console):
    """A console that sanitizes what it prints, other than its own control sequences."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=sanitize(segment.text))


def console(quiet: bool = False, stderr: bool = False) -> Console:
    """A console that prints to the current `sys.stdout` or `sys.stderr`; a quiet one prints
    nothing."""
    out = _SanitizingConsole(highlight=False, quiet=quiet, stderr=stderr)
    if not out.is_terminal:
        out.width = _WIDTH_WITHOUT_TERMINAL
    return out


def print_json(value: Any) -> None:
    """Prints a value, or the fields of a dataclass, as one line of JSON. Times are in ISO 8601."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    print(json.dumps(value, ensure_ascii=False, default=_json_default), flush=True)


def print_error(text: str) -> None:
    """Prints a sentence to standard error."""
    print(sanitize(text), file=sys.stderr)


def new_table(*columns: str) -> Table:
    """A table without lines."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column)
    return table


def _json_default(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} can't be written as JSON")
