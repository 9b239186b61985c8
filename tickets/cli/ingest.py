"""`tickets ingest`: uploads files, or starts loads of objects in S3."""

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from tickets.cli.console import console, print_error, print_json
from tickets.cli.options import AsJson, EndpointUrl, Profile, ReasonText, Region, StackName
from tickets.cli.outcome import exit_if_failed, print_outcome
from tickets.cli.progress import watch
from tickets.runs import connect
from tickets.runs.executions import Outcome
from tickets.runs.ingest import (
    LocalFile,
    Source,
    Start,
    force_uploaded,
    read_sources,
    start_load,
)
from tickets.runs.stack import Stack


def ingest(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="CSV files, or s3://bucket/key[?versionId=ID]."),
    ],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the loads have ended.")] = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            min=0,
            help="With --wait: seconds to wait for each load; exit code 1 if they run out.",
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", help="Key of the file in the upload bucket. Default: its name."),
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option("--prefix", help="Folder in the upload bucket, such as shops/lyon."),
    ] = None,
    keep_path: Annotated[
        bool, typer.Option("--keep-path", help="Keep the files' relative paths in their keys.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Load again what is already loaded.")
    ] = False,
    reason: ReasonText = None,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Upload files, or start loads of objects that are already in S3.

    An object version that is already loaded ends as Already Loaded, and so do the same bytes
    uploaded again under the same key; --force loads them again. A load that failed needs no
    --force.
    """
    requested = read_sources(sources, key, prefix, keep_path)
    out = console(quiet=as_json)
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    started = [_start(stack, source, force, reason, out) for source in requested]
    if not wait:
        if as_json:
            for start in started:
                print_json(Outcome(start.execution_arn, start.status))
        return
    outcomes = []
    for start in started:
        execution, outcome = watch(stack, start.execution_arn, out, timeout)
        outcomes.append(outcome)
        if as_json:
            print_json(outcome)
            if execution.failure:
                print_error(f"{start.uri}: {execution.failure}")
        else:
            out.print(Text(start.uri, style="bold"), soft_wrap=True)
            print_outcome(out, execution, outcome)
    exit_if_failed(*outcomes)


def renamed_note(source: LocalFile) -> str:
    return (
        f"{source.path.name} is uploaded as {source.key}, because only keys that end in .csv, .CSV "
        "or .csv.gz start a load."
    )


def _start(stack: Stack, source: Source, force: bool, reason: str | None, out: Console) -> Start:
    start = start_load(stack, source, force=force, reason=reason)
    _print_start(out, start)
    if not isinstance(source, LocalFile):
        return start
    if source.renamed:
        print_error(renamed_note(source))
    if not force:
        return start
    again = force_uploaded(stack, source, start, reason)
    if again is start:
        out.print("  These bytes were not loaded before: the upload needs no --force.")
    else:
        out.print("  These bytes are loaded already; loading them again:")
        _print_start(out, again)
    return again


def _print_start(out: Console, start: Start) -> None:
    name = start.execution_arn.rsplit(":", 1)[-1]
    verb = "Started" if start.status else "Uploaded"
    out.print(Text(f"{verb} {start.uri}\n  execution {name}"), soft_wrap=True)
