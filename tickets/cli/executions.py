"""`tickets executions`: lists executions."""

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from tickets.cli.console import console, new_table, print_json
from tickets.cli.options import AsJson, EndpointUrl, Profile, Region, Since, StackName
from tickets.cli.text import duration, local_time, status_text
from tickets.errors import CommandError
from tickets.runs import connect
from tickets.runs.executions import STATUSES, ExecutionSummary, list_executions, parse_since


def executions(
    status: Annotated[
        str | None,
        typer.Option("--status", help="Only those with this status: " + ", ".join(STATUSES) + "."),
    ] = None,
    since: Since = None,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """List executions, the newest first.

    SUCCEEDED covers Loaded, Already Loaded and Overtaken; the ending is looked up for the newest
    100.
    """
    if status is not None:
        status = status.upper()
        if status not in STATUSES:
            raise CommandError(f"--status {status} is not one of {', '.join(STATUSES)}.")
    period = parse_since(since) if since is not None else None
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    found = list_executions(stack, status, period)
    if as_json:
        for execution in found:
            print_json(execution)
    elif found:
        console().print(_table(found))
    else:
        console().print(f"Stack {stack.name} has no such executions.")


def _table(executions: Iterable[ExecutionSummary]) -> Table:
    table = new_table("Execution", "Status", "Ending", "Started", "Duration")
    table.columns[4].justify = "right"
    for execution in executions:
        table.add_row(
            Text(execution.name, overflow="fold"),
            status_text(execution.status),
            execution.ending or "",
            local_time(execution.started_at),
            duration(execution.seconds),
        )
    return table
