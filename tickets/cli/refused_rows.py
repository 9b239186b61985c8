"""`tickets refused`: lists the refused and superseded rows of a load."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from ingestion.contracts import RefusedRow
from ingestion.csv_files.rows import REASONS
from tickets.cli.console import console, new_table, print_error, print_json
from tickets.cli.options import AsJson, EndpointUrl, ExecutionName, Profile, Region, StackName
from tickets.cli.text import size
from tickets.runs import connect
from tickets.runs.executions import find_execution
from tickets.runs.refused_rows import download, read_refused_rows, refused_rows_uri, why_none

_SHOWN_ROWS = 50
_SHOWN_CHARACTERS = 500


def refused(
    execution: ExecutionName,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Save the CSV file here instead of listing it."),
    ] = None,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """List the rows of a load that are not in the table, each with the reason.

    These are the refused rows, and rows that a later row with the same key superseded.
    """
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    found = find_execution(stack, execution)
    uri = refused_rows_uri(found)
    if uri is None:
        print_error(why_none(found))
        return
    if output is not None:
        written = download(stack, uri, output)
        if as_json:
            print_json({"output": str(output), "size": written})
        else:
            console().print(Text(f"Saved {output} ({size(written)})."), soft_wrap=True)
        return
    rows = read_refused_rows(stack, uri)
    if as_json:
        for row in rows:
            print_json(row._asdict())
        return
    shown = list(islice(rows, _SHOWN_ROWS))
    console().print(refused_rows_table(shown))
    more = sum(1 for _ in rows)
    if more:
        console().print(f"... and {more:,} more: --output FILE saves them all, --json prints them.")
    for reason in dict.fromkeys(row.reason for row in shown):
        if reason in REASONS:  # loads of earlier releases have other reasons, too
            console().print(Text(f"{reason}: {REASONS[reason]}"))


def refused_rows_table(rows: Iterable[RefusedRow]) -> Table:
    """One line per row; the row's text is cut off at the edge of the terminal."""
    table = new_table("Line", "Column", "Reason", "Row")
    table.columns[0].justify = "right"
    for column in table.columns:
        column.no_wrap = True
    table.expand = True  # the last column gets the width that the others leave
    table.columns[3].ratio = 1
    table.columns[3].overflow = "ellipsis"
    for row in rows:
        # Newlines and other control characters would break the table.
        raw = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in row.raw[:_SHOWN_CHARACTERS])
        table.add_row(f"{row.line:,}", row.column, row.reason, Text(raw))
    return table
