"""`tickets loads`: lists loads from the ledger."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from ingestion.ledger.attempts import Attempt
from tickets.cli.console import console, print_json, print_record
from tickets.cli.csv_output import print_csv
from tickets.cli.options import (
    AsCsv,
    AsJson,
    EndpointUrl,
    KeyPattern,
    Limit,
    Profile,
    Region,
    Since,
    StackName,
    Until,
)
from tickets.cli.text import local_time, rate, row_counts, size, status_text
from tickets.errors import CommandError
from tickets.runs import connect
from tickets.runs.executions import UNKNOWN
from tickets.runs.filters import Wanted, parse_since, parse_until
from tickets.runs.loads import STATUSES, Load, list_attempts, list_loads
from tickets.runs.stack import Stack

CSV_COLUMNS = (
    *("load_id", "execution", "bucket", "key", "version_id", "size", "uploader"),
    *("status", "started_at", "stopped_at", "started_by", "why", "reason"),
    *("rows_read", "rows_written", "rows_superseded", "rows_combined", "rows_refused"),
    *("error", "refused_rows", "report"),
)
ATTEMPT_COLUMNS = (*(field.name for field in fields(Attempt)), "seconds")


def loads(
    key: KeyPattern = None,
    status: Annotated[
        str | None,
        typer.Option(
            "--status",
            metavar="STATUS",
            help="Only those with this status: " + ", ".join(STATUSES) + ".",
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    attempts: Annotated[
        bool,
        typer.Option("--attempts", help="List each execution of a load separately."),
    ] = False,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """List loads, the newest first: who loaded what, when and why, and with what result.

    The list comes from the ledger, which keeps its entries, while Step Functions deletes executions
    after 90 days. It includes executions that found no file to load. If the ledger has no end of an
    execution, its status comes from Step Functions.
    """
    if as_csv and as_json:
        raise CommandError("--csv and --json can't be used together: pass one of them.")
    wanted = Wanted(
        key,
        _checked(status),
        parse_since(since) if since is not None else None,
        parse_until(until) if until is not None else None,
        limit,
    )
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    found: Iterable[Mapping[str, Any]] = (
        (attempt.to_json() for attempt in list_attempts(stack, wanted))
        if attempts
        else list_loads(stack, wanted)
    )
    if as_csv:
        print_csv(ATTEMPT_COLUMNS if attempts else CSV_COLUMNS, found)
    elif as_json:
        for one in found:
            print_json(one)
    else:
        out, any_found = console(), False
        for one in found:
            any_found = True
            _print_attempt(stack, one, out) if attempts else _print_load(stack, one, out)
        if not any_found:
            out.print(f"Stack {stack.name} has no such loads.")


def attempt_line(attempt: Mapping[str, Any]) -> str:
    """An attempt in one line: its name, how it ended, when it started, by whom and why."""
    ended = attempt["ending"] or attempt["status"]
    reason = f": {attempt['reason']}" if attempt["reason"] else ""
    started = _time(attempt["started_at"])
    return f"{attempt['execution']}: {ended}, started {started} by {_by(attempt)}{reason}"


def _checked(status: str | None) -> str | None:
    if status is not None and status.upper() not in STATUSES:
        raise CommandError(f"--status {status} is not one of {', '.join(STATUSES)}.")
    return status.upper() if status is not None else None


def _print_load(stack: Stack, load: Mapping[str, Any], out: Console) -> None:
    """Prints a few lines, because a table would be wider than most terminals."""
    name = load["load_id"] or load["execution"]
    print_record(out, _heading(stack, load, name), _lines(dict(load)))


def _print_attempt(stack: Stack, attempt: Mapping[str, Any], out: Console) -> None:
    ending = attempt["ending"] or "no end recorded"
    reason = f": {attempt['reason']}" if attempt["reason"] else ""
    lines = [f"{ending}, {_started(attempt)} by {_by(attempt)}{reason}"]
    lines += [f"load {attempt['load_id']}"] if attempt["load_id"] else []
    lines += _counts(attempt)
    lines += [f"why: {attempt['error']}"] if attempt["error"] else []
    print_record(out, _heading(stack, attempt, attempt["execution"]), lines)


def _heading(stack: Stack, one: Mapping[str, Any], name: str) -> list[Text]:
    uploaded = one["bucket"] == stack.upload_bucket
    key = one["key"] if uploaded else f"s3://{one['bucket']}/{one['key']}"
    return [Text(str(key), style="bold"), status_text(one["status"]), Text(name, style="dim")]


def _lines(load: Load) -> Iterator[str]:
    yield _started(load)
    version = f"version {load['version_id'][:8]}" if load["version_id"] else "no version"
    of_size = f", {size(load['size'])}" if load["size"] is not None else ""
    yield f"{version}{of_size}, by {load.get('uploader') or 'hand'}"
    yield from _counts(load)
    if load.get("rows_per_second"):
        yield f"{rate(load['rows_per_second'])}, throttled {load['throttles']:,} times"
    if load["status"] == UNKNOWN:
        yield "why: no end is recorded, and Step Functions no longer has its executions"
    elif load["status"] not in ("RUNNING", "SUCCEEDED"):
        yield f"why: {load['error']}"
    error = load.get("first_error")
    if error:
        line = f"line {error['line']:,}" if error["line"] else None
        place = ", ".join(filter(None, [line, error["column"]])) or "the whole file"
        yield f"first error: {place}: {error['reason']}"
    if load.get("replaces"):
        yield f"replaces: {load['replaces']} (rows that only that load has stay in the table)"
    if load.get("stays"):
        yield f"note: {load['stays']}"
    known = [attempt["execution"] for attempt in load["attempts"]]
    others = [arn.rpartition(":")[2] for arn in load["executions"]]
    for attempt in load["attempts"]:
        yield attempt_line(attempt)
    if left := [name for name in others if name not in known]:
        yield f"executions: {', '.join(left)}"
    if load.get("report"):
        yield f"report: {load['report']}"


def _started(one: Mapping[str, Any]) -> str:
    ended = f", ended {_time(one['stopped_at'])}" if one["stopped_at"] else ""
    return f"started {_time(one['started_at'])}{ended}"


def _counts(one: Mapping[str, Any]) -> Iterator[str]:
    if one["rows_read"] is not None:
        yield row_counts(one)


def _by(attempt: Mapping[str, Any]) -> str:
    """Who started it: `an upload by AWS:AIDA`, or `arn:... (replay)`."""
    if attempt["why"] == "upload":
        return f"an upload by {attempt['uploader']}"
    who = attempt["started_by"] or "hand"
    return f"{who} ({attempt['why']})" if attempt["why"] else who


def _time(recorded: str) -> str:
    return local_time(datetime.fromisoformat(recorded))
