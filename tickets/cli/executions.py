"""`tickets executions`: lists executions."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from tickets.cli.console import console, new_table, print_error, print_json
from tickets.cli.csv_output import print_csv
from tickets.cli.options import (
    SINCE,
    AsCsv,
    AsJson,
    EndpointUrl,
    KeyPattern,
    Limit,
    Profile,
    Region,
    StackName,
    Until,
)
from tickets.cli.text import duration, local_time, status_text
from tickets.errors import CommandError
from tickets.runs import connect
from tickets.runs.executions import STATUSES, ExecutionSummary, list_executions
from tickets.runs.filters import Wanted, parse_since, parse_until

DEFAULT_SINCE = "7d"  # 90 days may be tens of thousands of executions


def executions(
    key: KeyPattern = None,
    status: Annotated[
        str | None,
        typer.Option(
            "--status",
            metavar="STATUS",
            help="Only those with this status: " + ", ".join(STATUSES) + ".",
        ),
    ] = None,
    since: Annotated[str, SINCE] = DEFAULT_SINCE,
    until: Until = None,
    limit: Limit = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """List the executions of the last seven days, or since a given time, the newest first.

    SUCCEEDED covers Loaded, Already Loaded and Overtaken. Step Functions deletes executions after
    90 days, but `tickets loads --attempts` still lists them. If the ledger has no entry for some of
    them, the newest 100 of these are looked up; the others are listed without ending and key.
    """
    if as_csv and as_json:
        raise CommandError("--csv and --json can't be used together: pass one of them.")
    if status is not None:
        status = status.upper()
        if status not in STATUSES:
            raise CommandError(f"--status {status} is not one of {', '.join(STATUSES)}.")
    wanted = Wanted(
        key, status, parse_since(since), parse_until(until) if until is not None else None, limit
    )
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    found = list_executions(stack, wanted)
    if as_csv:
        print_csv([field.name for field in fields(ExecutionSummary)], map(vars, found.executions))
    elif as_json:
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
            Text(execution.execution),
            status_text(execution.status),
            execution.ending or "",
            local_time(execution.started_at),
            duration(execution.seconds),
        )
    return table
