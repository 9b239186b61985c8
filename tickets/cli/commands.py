"""The commands of `tickets`: words, options and exit codes. The work is done in other modules."""

import shutil
import sys
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from tickets.cli import failure_commands
from tickets.cli.demo import SAMPLE_ROWS, SAMPLE_SEED, run_demo
from tickets.cli.errors import one_sentence
from tickets.cli.options import AsJson, EndpointUrl, Name, Profile, Region, StackName
from tickets.cli.output import (
    console,
    executions_table,
    print_json,
    print_load,
    refused_rows_table,
    size,
)
from tickets.cli.progress import watch
from tickets.cli.show import execution_json, print_execution
from tickets.cli.terminal import sanitize
from tickets.errors import LOAD_FAILED, CommandError
from tickets.local.deployment import local_stack
from tickets.runs import refused_rows
from tickets.runs.connect import find_stack
from tickets.runs.executions import (
    STATUSES,
    Outcome,
    as_json,
    find_execution,
    list_executions,
    parse_since,
)
from tickets.runs.ingest import LocalFile, Start, force_uploaded, read_source, start_load
from tickets.runs.loads import list_loads, print_loads
from tickets.runs.stack import Stack
from tickets.sample import write_sample

_SHOWN_ROWS = 50


class _Group(TyperGroup):
    """Every command's errors are one sentence."""

    def invoke(self, ctx: Any) -> Any:
        with one_sentence():
            return super().invoke(ctx)


app = typer.Typer(
    name="tickets",
    cls=_Group,
    help="Loads CSV files of purchase tickets from S3 into DynamoDB, every row accounted for.",
    epilog="Exit codes: 0 loaded, 1 a load failed, 2 wrong use.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
local_app = typer.Typer(help="The whole stack on this machine.", no_args_is_help=True)
app.add_typer(local_app, name="local")
app.add_typer(failure_commands.app)


@app.command()
def demo(
    file: Annotated[
        Path | None,
        typer.Argument(help="A CSV file of tickets; a made-up sample by default."),
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option("--rows", min=0, help=f"Rows of the sample; {SAMPLE_ROWS:,} by default."),
    ] = None,
    as_json_: AsJson = False,
) -> None:
    """Load a file on this machine, from upload to table, and show what happened.

    Starts the embedded engine, deploys the stack, uploads, follows, and stops again. The report
    and the refused rows are kept in .tickets/<execution>/.
    """
    if file is not None and rows is not None:
        raise CommandError("--rows sets the sample's size: leave it out, or leave out FILE.")
    out = Console(quiet=True) if as_json_ else console()
    outcome, failure = run_demo(file, SAMPLE_ROWS if rows is None else rows, out)
    if as_json_:
        print_json(as_json(outcome))
        if failure is not None:
            print(sanitize(failure), file=sys.stderr)
    _exit(outcome)


@app.command()
def sample(
    file: Annotated[Path, typer.Argument(help="Where to write the CSV file.")],
    rows: Annotated[int, typer.Option("--rows", min=0, help="Number of rows.")] = SAMPLE_ROWS,
    seed: Annotated[
        int, typer.Option("--seed", help="Equal seeds give equal files, byte by byte.")
    ] = SAMPLE_SEED,
) -> None:
    """Write a realistic ticket file, with a handful of bad rows."""
    made = write_sample(file, rows, seed)
    console().print(
        Text(
            f"{file}: {made.rows:,} rows ({size(made.size)}), of which {made.bad_rows:,} are bad "
            f"and {made.repeated_rows:,} repeat a key."
        ),
        soft_wrap=True,
    )


@local_app.callback()
def local() -> None:
    """The whole stack on this machine."""


@local_app.command("start")
def local_start(
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="A free one by default.")
    ] = None,
    as_json_: AsJson = False,
) -> None:
    """Run the stack in the foreground, until Ctrl-C or SIGTERM.

    With --json the first line, once everything is ready, says how to reach it.
    """
    out = Console(quiet=True) if as_json_ else console()
    with local_stack(port, on_step=lambda step: out.print(f"{step} ...")) as stack:
        description = stack.description()
        if as_json_:
            print_json(description)
        else:
            _print_local(out, description)
        code = stack.engine.wait()
    raise CommandError(f"The engine ended by itself with code {code}: start it again.")


@app.command()
def ingest(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="CSV files, or s3://bucket/key[?versionId=...]."),
    ],
    wait: Annotated[bool, typer.Option("--wait", help="Follow the loads to their ends.")] = False,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0, help="Seconds to wait for each at most.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="The file's key in the upload bucket.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Load again what has been loaded already.")
    ] = False,
    as_json_: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Upload files, or start loads of objects that are in S3 already.

    An object version that is in the table ends as Already Loaded, and so do the same bytes uploaded
    again under the same key. --force loads them again; whatever was not loaded needs no --force.
    """
    if key is not None and len(sources) > 1:
        raise CommandError("--key names one file: leave it out, or ingest the files one by one.")
    read = [read_source(text, key) for text in sources]
    out = Console(quiet=True) if as_json_ else console()
    stack = find_stack(stack_name, endpoint_url, region, profile)
    started = []
    for source in read:
        start = start_load(stack, source, force=force)
        _print_start(out, start)
        if isinstance(source, LocalFile) and source.key == f"{source.path.name}.csv":
            print(
                f"{source.path.name} is uploaded as {source.key}, since only .csv, .CSV and "
                ".csv.gz start a load.",
                file=sys.stderr,
            )
        if force and isinstance(source, LocalFile):
            start = _force(stack, source, start, out)
        started.append(start)
    if not wait:
        if as_json_:
            for start in started:
                print_json(as_json(Outcome(start.execution_arn, start.status)))
        return
    outcomes = []
    for start in started:
        execution, outcome = watch(stack, start.execution_arn, out, timeout)
        outcomes.append(outcome)
        if as_json_:
            print_json(as_json(outcome))
            if execution.failure:
                print(sanitize(f"{start.uri}: {execution.failure}"), file=sys.stderr)
        else:
            out.print(Text(start.uri, style="bold"), soft_wrap=True)
            print_load(out, execution, outcome)
    _exit(*outcomes)


@app.command()
def executions(
    status: Annotated[
        str | None, typer.Option("--status", help="Only these: " + ", ".join(STATUSES) + ".")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Only those started within 90m, 24h, 7d ...")
    ] = None,
    as_json_: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """List executions, the newest first.

    What has SUCCEEDED has Loaded its file, found it Already Loaded, or was Overtaken by a later
    version of it; of the newest 100 that is asked.
    """
    if status is not None:
        status = status.upper()
        if status not in STATUSES:
            raise CommandError(f"--status {status} is none of {', '.join(STATUSES)}.")
    period: timedelta | None = parse_since(since) if since is not None else None
    stack = find_stack(stack_name, endpoint_url, region, profile)
    found = list_executions(stack, status, period)
    if as_json_:
        for execution in found:
            print_json(as_json(execution))
    elif found:
        console().print(executions_table(found))
    else:
        console().print(f"Stack {stack.name} has no such executions.")


@app.command()
def loads(
    key: Annotated[
        str | None,
        typer.Option("--key", help="Only of this key in the upload bucket, or of s3://bucket/key."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Only those started within 90m, 24h, 7d ...")
    ] = None,
    as_json_: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """List what was loaded, by whom, and what came of it, the newest first.

    This comes from the ledger, which forgets nothing, while Step Functions forgets an execution
    after 90 days. Loads that have recorded no end are checked against their executions.
    """
    period = parse_since(since) if since is not None else None
    stack = find_stack(stack_name, endpoint_url, region, profile)
    found = list_loads(stack, key, period)
    if as_json_:
        for load in found:
            print_json(load)
    elif found:
        print_loads(stack, found, console())
    else:
        console().print(f"Stack {stack.name} has no such loads.")


@app.command()
def show(
    execution: Name,
    as_json_: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show one execution: its states, its totals, and why it failed."""
    found = find_execution(find_stack(stack_name, endpoint_url, region, profile), execution)
    if as_json_:
        print_json(execution_json(found))
    else:
        print_execution(found, console())


@app.command("rejects")
def rejects_(
    execution: Name,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Save the CSV file here instead.")
    ] = None,
    as_json_: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """List the rows of a load that are not in the table, with the reason of each."""
    stack = find_stack(stack_name, endpoint_url, region, profile)
    found = find_execution(stack, execution)
    uri = refused_rows.refused_rows_uri(found)
    if uri is None:
        print(refused_rows.why_none(found), file=sys.stderr)
        return
    if output is not None:
        written = refused_rows.download(stack, uri, output)
        if as_json_:
            print_json({"output": str(output), "size": written})
        else:
            console().print(Text(f"Saved {output} ({size(written)})."), soft_wrap=True)
        return
    rows = refused_rows.read_refused_rows(stack, uri)
    if as_json_:
        for row in rows:
            print_json(as_json(row))
        return
    console().print(refused_rows_table(islice(rows, _SHOWN_ROWS)))
    more = sum(1 for _ in rows)
    if more:
        console().print(f"... and {more:,} more: --output FILE saves them all, --json prints them.")


def _exit(*outcomes: Outcome) -> None:
    if not all(outcome.loaded for outcome in outcomes):
        raise typer.Exit(LOAD_FAILED)


def _force(stack: Stack, source: LocalFile, start: Start, out: Console) -> Start:
    """Loads an upload again if it has to be, and says whether it had."""
    again = force_uploaded(stack, source, start)
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


def _print_local(out: Console, description: dict[str, str]) -> None:
    """What to paste into another terminal, so that every command there finds this stack."""
    out.print("\n[green]The stack is ready.[/green] In another terminal:\n")
    for variable, name in (
        ("AWS_ENDPOINT_URL", "endpoint_url"),
        ("AWS_REGION", "region"),
        ("AWS_ACCESS_KEY_ID", "access_key_id"),
        ("AWS_SECRET_ACCESS_KEY", "secret_access_key"),
    ):
        out.print(Text(f"  export {variable}={description[name]}"), soft_wrap=True)
    tickets = "tickets" if shutil.which("tickets") else sys.argv[0]
    out.print(f"\n  {tickets} ingest tickets.csv --wait\n  {tickets} executions\n", soft_wrap=True)
    out.print("Ctrl-C stops it; nothing of it is kept.")
