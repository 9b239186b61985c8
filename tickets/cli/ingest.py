"""`tickets ingest`: uploads files, or starts loads of objects in S3."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from ingestion.executions.history import count
from tickets.cli.console import console, print_error, print_json
from tickets.cli.next_step import next_step
from tickets.cli.options import (
    AsJson,
    EndpointUrl,
    Profile,
    ReasonText,
    Region,
    StackName,
    Timeout,
    Wait,
)
from tickets.cli.outcome import check_timeout
from tickets.cli.progress import loads_go_on, new_bar
from tickets.cli.waiting import MAX_SHOWN, Awaited, wait_for
from tickets.runs import connect
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
    wait: Wait = False,
    timeout: Timeout = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--key", metavar="KEY", help="Key of the file in the upload bucket. Default: its name."
        ),
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option(
            "--prefix", metavar="FOLDER", help="Folder in the upload bucket, such as shops/lyon."
        ),
    ] = None,
    keep_path: Annotated[
        bool, typer.Option("--keep-path", help="Keep the files' relative paths in their keys.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Load again what is already loaded.")
    ] = False,
    reason: ReasonText = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing but failures, and no progress.")
    ] = False,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Upload files, or start loads of objects that are already in S3.

    An object version that is already loaded ends as Already Loaded, and so do the same bytes
    uploaded again under the same key; --force loads them again. A load that failed needs no
    --force. With --wait the exit code is 1 if a load failed, and 3 if --timeout ran out. Ctrl-C
    ends the waiting, but not the loads.
    """
    check_timeout(timeout, wait)
    requested = read_sources(sources, key, prefix, keep_path)
    out = console(quiet=as_json or quiet)
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    started = _start_all(stack, requested, force, reason, out)
    loads = [
        Awaited(start.execution_arn, start.uri, _facts(stack, source, start))
        for source, start in zip(requested, started, strict=True)
    ]
    if wait:
        raise typer.Exit(wait_for(stack, loads, out, timeout=timeout, as_json=as_json))
    if as_json:
        for load, start in zip(loads, started, strict=True):
            name = start.execution_arn.rpartition(":")[2]
            names = {"execution": name, "execution_arn": start.execution_arn}
            print_json({**names, **load.facts, "status": start.status})
    elif len(loads) > MAX_SHOWN:
        out.print(Text(next_step(stack, "executions")))


def renamed_note(source: LocalFile) -> str:
    return (
        f"{source.path.name} is uploaded as {source.key}, because only keys that end in .csv, .CSV "
        "or .csv.gz start a load."
    )


def _start_all(
    stack: Stack, sources: list[Source], force: bool, reason: str | None, out: Console
) -> list[Start]:
    """Starts the loads, and prints each, or their number if there are many."""
    each = out if len(sources) <= MAX_SHOWN else console(quiet=True)
    started: list[Start] = []
    arns: list[str] = []
    with loads_go_on(stack, arns), new_bar(out) as bar:
        task = bar.add_task("Uploading", total=len(sources), numbers="")
        for number, source in enumerate(sources, 1):
            started.append(_start(stack, source, force, reason, each))
            arns.append(started[-1].execution_arn)
            bar.update(task, completed=number, numbers=f"{number:,}/{len(sources):,} files")
    if each is not out:
        files = sum(isinstance(source, LocalFile) for source in sources)
        others = len(sources) - files
        if files:
            out.print(f"Uploaded {count(files, 'file')} to {stack.upload_bucket}.")
        if others:
            out.print(f"Started the loads of {count(others, 'object')}.")
    return started


def _facts(stack: Stack, source: Source, start: Start) -> dict[str, Any]:
    """Which file or object is loaded, for JSON."""
    return {
        "bucket": stack.upload_bucket if isinstance(source, LocalFile) else source.bucket,
        "key": source.key,
        **({"version_id": start.version_id} if start.version_id else {}),
        "file": str(source.path) if isinstance(source, LocalFile) else None,
    }


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
    out.print(Text(f"{verb} {start.uri}\n  execution {name}"))
