"""`tickets trace`: says where items come from."""

from datetime import datetime
from typing import Annotated

import typer
from rich.text import Text

from tickets.cli.console import console, print_error, print_json, print_record
from tickets.cli.next_step import next_step
from tickets.cli.options import AsJson, EndpointUrl, Profile, Region, StackName
from tickets.cli.text import local_time
from tickets.errors import FAILED
from tickets.runs import connect
from tickets.runs.trace import Origin
from tickets.runs.trace import trace as find_origins


def trace(
    key: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY",
            help="Values of the table's key: the partition key, and the sort key if it has one. "
            "With the partition key alone, all of its items are traced.",
        ),
    ],
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show where items of the table come from: file, version, line, load and uploader.

    Items have this lineage if the stack had a LineageAttribute when they were written. The exit
    code is 1 if no item has the key, or none has lineage.
    """
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    count, executions = 0, []
    out = console()
    for origin in find_origins(stack, key):
        count += 1
        if origin.executions:
            executions.append(origin.executions[-1])
        if as_json:
            print_json(origin)
        else:
            print_record(out, [Text(_line(origin))], [])
    if executions:
        if not as_json and len(set(executions)) == 1:
            out.print(next_step(stack, "show", executions[0]), soft_wrap=True, markup=False)
        return
    if count:
        print_error(
            "There is no lineage: the stack had no LineageAttribute when the item was written, or "
            "something else wrote it."
        )
    else:
        print_error(f"Table {stack.table} has no item with this key.")
    raise typer.Exit(FAILED)


def _line(origin: Origin) -> str:
    item = ", ".join(origin.item.values())
    if origin.load_id is None:
        return f"{item}: no lineage"
    version = f", version {origin.version_id}" if origin.version_id else ""
    uploader = f", uploaded by {origin.uploader}" if origin.uploader else ""
    return (
        f"{item}: line {origin.line} of s3://{origin.bucket}/{origin.key}{version}{uploader}; "
        f"load {origin.load_id}, {origin.status}, started {_local(origin.started_at)}"
    )


def _local(timestamp: str | None) -> str:
    return local_time(datetime.fromisoformat(timestamp)) if timestamp else "at an unknown time"
