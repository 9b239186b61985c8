"""`tickets undo`: deletes the items that a load wrote."""

from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from tickets.cli.console import console, print_json
from tickets.cli.next_step import next_step
from tickets.cli.options import (
    AsJson,
    EndpointUrl,
    ExecutionName,
    Profile,
    ReasonText,
    Region,
    StackName,
)
from tickets.cli.text import local_time
from tickets.runs import connect
from tickets.runs.stack import Stack
from tickets.runs.undo import ROWS_PER_SECOND, EarlierLoad, Undone
from tickets.runs.undo import undo as undo_load

_MAX_EARLIER_LOADS = 5


def undo(
    execution: ExecutionName,
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete the items. Without it, they are only counted.")
    ] = False,
    reason: ReasonText = None,
    rows_per_second: Annotated[
        float,
        typer.Option(min=1, help="Look up (and thus delete) at most this many items per second."),
    ] = ROWS_PER_SECOND,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Delete the items that a load wrote and that nothing has replaced since.

    The items must have lineage: the stack must have had a LineageAttribute when the load began. The
    command reads the object version again for its keys. Items of other loads stay, and so do items
    that were changed by anything that does not keep their lineage. If the command is interrupted,
    run it again, and it continues.
    """
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    out = console(quiet=as_json)
    with out.status("Reading the file again ...") as status:

        def show_progress(undone: Undone) -> None:
            what = "found" if undone.dry_run else "deleted"
            count = undone.items_found if undone.dry_run else undone.items_deleted
            status.update(f"{undone.rows_read:,} rows looked up, {count:,} items {what} ...")

        undone = undo_load(
            stack,
            execution,
            dry_run=not yes,
            reason=reason,
            rows_per_second=rows_per_second,
            on_progress=show_progress,
        )
    if as_json:
        print_json(undone)
    else:
        _print_undone(undone, stack, execution, reason, out)


def _local(load: EarlierLoad) -> str:
    return local_time(datetime.fromisoformat(load.started_at))


def _print_undone(
    undone: Undone, stack: Stack, execution: str, reason: str | None, out: Console
) -> None:
    def say(line: str) -> None:
        out.print(Text(line), soft_wrap=True)

    version = f", version {undone.version_id}" if undone.version_id else ""
    say(f"Load {undone.load_id} of s3://{undone.bucket}/{undone.key}{version}")
    if undone.undone_at is None:
        say(f"{undone.items_found:,} items would be deleted. Nothing is deleted without --yes.")
    else:
        say(f"{undone.items_deleted:,} items deleted. The load is UNDONE.")
    if undone.rows_replaced:
        say(
            f"{undone.rows_replaced:,} rows stay: other loads or programs have written their items."
        )
    if undone.rows_gone:
        say(f"{undone.rows_gone:,} rows have no item.")
    if undone.overtaken:
        say("A later version of the object was loaded, so earlier ones can't be loaded again.")
    for one in undone.earlier_loads[:_MAX_EARLIER_LOADS]:
        say(f"Earlier load: {one.load_id}, started {_local(one)}, {one.rows_written:,} rows")
    if undone.undone_at is None:
        because = ["--reason", reason] if reason else []
        say(next_step(stack, "undo", execution, "--yes", *because))
    elif undone.earlier_loads:
        say("To load the version before it again:")
        say(next_step(stack, "ingest", undone.earlier_loads[0].address, "--force"))
