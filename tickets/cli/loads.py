"""`tickets loads`: lists loads from the ledger."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from tickets.cli.console import console, print_json
from tickets.cli.options import AsJson, EndpointUrl, Profile, Region, Since, StackName
from tickets.cli.text import local_time, row_counts, size, status_text
from tickets.runs import connect
from tickets.runs.executions import parse_since
from tickets.runs.loads import UNKNOWN, Load, list_loads
from tickets.runs.stack import Stack


def loads(
    key: Annotated[
        str | None,
        typer.Option(
            "--key", help="Only loads of this key in the upload bucket, or of this s3://bucket/key."
        ),
    ] = None,
    since: Since = None,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """List loads, the newest first: who loaded what, and with which result.

    The list comes from the ledger, which keeps its entries, while Step Functions deletes executions
    after 90 days. If a load has recorded no end, its status is taken from its executions.
    """
    earliest = parse_since(since) if since is not None else None
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    found = list_loads(stack, key, earliest)
    if as_json:
        for load in found:
            print_json(load)
    elif found:
        _print_loads(stack, found, console())
    else:
        console().print(f"Stack {stack.name} has no such loads.")


def _print_loads(stack: Stack, loads: list[Load], out: Console) -> None:
    """Prints a few lines per load, because a table would be wider than most terminals."""
    for load in loads:
        uploaded = load["bucket"] == stack.upload_bucket
        name = Text(str(load["key"] if uploaded else load["object_url"]), style="bold")
        load_id = Text(load["load_id"], style="dim")
        out.print(name, status_text(load["status"]), load_id, sep="  ", soft_wrap=True)
        for line in _lines(load):
            out.print(Text(f"  {line}"), soft_wrap=True)


def _lines(load: Load) -> Iterator[str]:
    started, ended = _time(load["started_at"]), load.get("finished_at")
    yield f"started {started}, ended {_time(ended)}" if ended else f"started {started}"
    version = f"version {load['version_id'][:8]}" if load["version_id"] else "no version"
    yield f"{version}, {size(load['size'])}, by {load.get('uploader') or 'hand'}"
    if load.get("rows_read") is not None:
        yield row_counts(load)
    if load.get("rows_per_second"):
        yield f"{load['rows_per_second']:,} rows per second, throttled {load['throttles']:,} times"
    if load["status"] == UNKNOWN:
        yield "why: it recorded no end, and Step Functions no longer has its executions"
    elif load["status"] not in ("RUNNING", "SUCCEEDED"):
        yield f"why: {load['failure'] or load.get('summary')}"
    error = load.get("first_error")
    if error:
        line = f"line {error['line']:,}" if error["line"] else None
        place = ", ".join(filter(None, [line, error["column"]])) or "the whole file"
        yield f"first error: {place}: {error['reason']}"
    if load.get("replaces"):
        yield f"replaces: {load['replaces']} (rows that only that load has stay in the table)"
    if load.get("stays"):
        yield f"note: {load['stays']}"
    yield f"executions: {', '.join(arn.rpartition(':')[2] for arn in load['executions'])}"
    if load.get("report"):
        yield f"report: {load['report']}"


def _time(recorded: str) -> str:
    return local_time(datetime.fromisoformat(recorded))
