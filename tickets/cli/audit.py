"""`tickets audit`: proves that the rows of a load are in the table."""

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from tickets.cli.console import console, new_table, print_json
from tickets.cli.options import AsJson, EndpointUrl, ExecutionName, Profile, Region, StackName
from tickets.errors import FAILED
from tickets.runs import connect
from tickets.runs.audit import Audit
from tickets.runs.audit import audit as run_audit


def audit(
    execution: ExecutionName,
    rows_per_second: Annotated[
        float | None,
        typer.Option(min=1, help="Look up at most this many rows per second. Default: no limit."),
    ] = None,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Compare the rows of a load's file with the items of the table.

    Reads the object version and the table again. The exit code is 1 if an item is missing.
    """
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    found = run_audit(stack, execution, rows_per_second)
    if as_json:
        print_json(found)
    else:
        _print_audit(found, console())
    if found.missing:
        raise typer.Exit(FAILED)


def _print_audit(found: Audit, out: Console) -> None:
    version = f", version {found.version_id}" if found.version_id else ""
    out.print(Text(f"{found.object_url}{version}, against table {found.table}"), soft_wrap=True)
    table = new_table("Rows", "", "Lines", wrapped=("", "Lines"))
    table.columns[0].justify = "right"
    table.add_row(f"{found.as_loaded:,}", "in the table as loaded", "")
    table.add_row(
        f"{found.other_values:,}",
        "in the table with other values: changed or replaced later",
        _lines(found.other_values_lines, found.other_values),
    )
    table.add_row(f"{found.missing:,}", "missing", _lines(found.missing_lines, found.missing))
    table.add_row(f"{found.rows_superseded:,}", "superseded by a later row of the file", "")
    if found.rows_combined:
        table.add_row(f"{found.rows_combined:,}", "added to a later row with the same key", "")
    table.add_row(f"{found.rows_refused:,}", "refused", "")
    out.print(table)
    if found.table_replaced:
        out.print("The table was deleted and created again since the load.")
    recorded = found.rows_written_recorded
    if recorded is not None and recorded != found.rows_expected:
        out.print(
            f"The load recorded {recorded:,} rows as written, but the file has "
            f"{found.rows_expected:,} that should be in the table."
        )


def _lines(lines: list[int], count: int) -> str:
    more = ", ..." if count > len(lines) else ""
    return ", ".join(f"{line:,}" for line in lines) + more
