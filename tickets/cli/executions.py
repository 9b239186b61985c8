"""`tickets executions`: lists executions."""

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from tickets.cli.console import console, new_table, print_error, print_json
from tickets.cli.options import SINCE, AsJson, EndpointUrl, Profile, Region, StackName
from tickets.cli.text import duration, local_time, status_text
from tickets.errors import CommandError
from tickets.runs import connect
from tickets.runs.executions import STATUSES, ExecutionSummary, list_executions, parse_since

DEFAULT_SINCE = "7d"  # 90 days may be tens of thousands of executions


def executions(
    status: Annotated[
        str | None,
        typer.Option("--status", help="Only those with this status: " + ", ".join(STATUSES) + "."),
    ] = None,
    since: Annotated[str, SINCE] = DEFAULT_SINCE,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """List the executions of the last seven days, or since a given time, the newest first.

    SUCCEEDED covers Loaded, Already Loaded and Overtaken; the ending is looked up for the newest
    100. Step Functions deletes executions after 90 days, but `tickets loads` still lists their
    loads.
    """
    if status is not None:
        status = status.upper()
        if status not in STATUSES:
            raise CommandError(f"--status {status} is not one of {', '.join(STATUSES)}.")
    earliest = parse_since(since)
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    found = list_executions(stack, status, earliest)
    if as_json:
        for execution in found.executions:
            print_json(execution)
    elif found.executions:
        console().print(_table(found.executions))
    else:
        console().print(f"Stack {stack.name} has no such executions since {since}.")
    if found.older_exist:
        print_error("Older executions are not listed: --since 120d lists all that AWS keeps.")


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
