"""`tickets refused`: lists the refused and superseded rows of a load, or writes them to a file."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import botocore.exceptions
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingestion.contracts import RefusedRow
from ingestion.csv_files.rows import REASONS
from ingestion.executions.history import count
from tickets.cli.console import console, new_table, print_error, print_json
from tickets.cli.next_step import next_step
from tickets.cli.options import AsJson, EndpointUrl, ExecutionName, Profile, Region, StackName
from tickets.cli.output_file import Force, is_standard_output, output_file, refuse_existing
from tickets.cli.text import size
from tickets.errors import CommandError, TicketsError
from tickets.runs import connect
from tickets.runs.executions import Execution, find_execution
from tickets.runs.fixable_rows import save_fixable_rows, values_of
from tickets.runs.refused_rows import download, read_refused_rows, refused_rows_uri, why_none
from tickets.runs.stack import Stack

_SHOWN_ROWS = 10
_SHOWN_CHARACTERS = 500
_VALUE_WIDTH = 30
_SUPERSEDED = "superseded"


def refused(
    execution: ExecutionName,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Save the CSV file here instead of listing it; - is standard output.",
        ),
    ] = None,
    fixable: Annotated[
        Path | None,
        typer.Option(
            "--fixable",
            metavar="FILE",
            help="Write the header and the refused rows here as they stand in the file, to be "
            "corrected for `tickets resubmit`.",
        ),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """List the rows of a load that are not in the table, each with the reason.

    These are the refused rows, and the rows that a later row with the same key superseded. On a
    terminal, the value that a row was refused for is shown, too.
    """
    if output is not None and fixable is not None:
        raise CommandError("--output and --fixable write different files: pass one of them.")
    if (path := output or fixable) is not None:
        refuse_existing(path, force)  # before the work
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    found = find_execution(stack, execution)
    uri = refused_rows_uri(found)
    if uri is None:
        print_error(why_none(found))
        return
    if output is not None:
        with output_file(output, force) as file:
            written = download(stack, uri, file)
        if is_standard_output(output):
            return
        if as_json:
            print_json({"output": str(output), "size": written})
        else:
            console().print(Text(f"Saved {output} ({size(written)})."), soft_wrap=True)
    elif fixable is not None:
        _save_fixable(stack, found, uri, fixable, force, as_json)
    elif as_json:
        for row in read_refused_rows(stack, uri):
            print_json(row._asdict())
    else:
        _list(stack, found, uri, console())


def refused_rows_table(rows: Iterable[RefusedRow], values: Sequence[str | None] = ()) -> Table:
    """One line per row; the row's text is cut off at the edge of the terminal.

    values: the values that the rows are refused for. Without any, there is no column for them.
    """
    table = new_table("Line", "Column", "Reason", *(["Value"] if values else []), "Row")
    table.columns[0].justify = "right"
    for column in table.columns:
        column.no_wrap = True
        column.overflow = "ellipsis"
    if values:
        table.columns[3].max_width = _VALUE_WIDTH
    table.expand = True  # the last column gets the width that the others leave
    table.columns[-1].ratio = 1
    for at, row in enumerate(rows):
        value = [_visible(values[at] or "")] if values else []
        table.add_row(f"{row.line:,}", row.column, row.reason, *value, _visible(row.raw))
    return table


def _list(stack: Stack, execution: Execution, uri: str, out: Console) -> None:
    kinds: Counter[tuple[str, str]] = Counter()
    shown: list[RefusedRow] = []
    for row in read_refused_rows(stack, uri):
        kinds[row.reason, row.column] += 1
        if len(shown) < _SHOWN_ROWS:
            shown.append(row)
    for line in _counts(kinds):
        out.print(Text(line), soft_wrap=True)
    out.print()
    out.print(refused_rows_table(shown, _values(stack, execution, shown, out)))
    if more := kinds.total() - len(shown):
        out.print(f"... and {more:,} more: --output FILE saves them all, --json prints them.")
    if any(reason != _SUPERSEDED for reason, _ in kinds):
        step = next_step(stack, "refused", execution.name, "--fixable", "corrected.csv")
        out.print(Text(step), soft_wrap=True)


def _counts(kinds: Counter[tuple[str, str]]) -> Iterator[str]:
    """A line per reason and column, with the meaning of the reason, the most frequent first."""
    listed = [(f"{rows:,}", reason, column) for (reason, column), rows in kinds.most_common()]
    widths = [max(map(len, texts)) for texts in zip(*listed, strict=True)]
    for rows, reason, column in listed:
        line = f"{rows:>{widths[0]}} {reason:<{widths[1]}}  {column:<{widths[2]}}"
        # Loads of earlier releases have other reasons, too.
        yield f"{line}  {REASONS.get(reason, '')}".rstrip()


def _values(
    stack: Stack, execution: Execution, rows: Sequence[RefusedRow], out: Console
) -> Sequence[str | None]:
    """The values that rows are refused for, if standard output is a terminal. Empty if the file's
    columns can't be read any more, or if no row is refused for a value."""
    if not out.is_terminal:
        return ()
    try:
        values = values_of(stack, execution.load, rows)
    except (TicketsError, botocore.exceptions.ClientError):
        return ()
    return values if any(value is not None for value in values) else ()


def _visible(text: str) -> Text:
    """The text without newlines and other control characters, which would break the table."""
    shown = text[:_SHOWN_CHARACTERS]
    return Text("".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown))


def _save_fixable(
    stack: Stack, execution: Execution, uri: str, path: Path, force: bool, as_json: bool
) -> None:
    if execution.load.get("rows_refused") == 0:
        raise CommandError("No rows were refused: those that are listed were superseded.")
    with output_file(path, force) as file:
        saved = save_fixable_rows(stack, execution.load, uri, file)
    if saved.too_long:
        rows = count(saved.too_long, "row")
        print_error(f"Left out, because they are longer than 1 MiB: {rows}.")
    if is_standard_output(path):
        return
    if as_json:
        print_json({"output": str(path), "rows": saved.rows, "rows_left_out": saved.too_long})
        return
    out = console()
    out.print(Text(f"Saved {path} ({count(saved.rows, 'row')}): correct them."), soft_wrap=True)
    step = next_step(stack, "resubmit", execution.name, str(path))
    out.print(Text(step), soft_wrap=True)
