"""`tickets status`: what is running, what is waiting, and whether anybody has to act."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ingestion.executions.history import count
from tickets.cli.console import console, print_json
from tickets.cli.next_step import next_step
from tickets.cli.options import AsJson, EndpointUrl, Profile, Region, StackName
from tickets.cli.text import duration, local_time, status_text
from tickets.errors import FAILED
from tickets.runs import connect
from tickets.runs.stack import Stack
from tickets.runs.status import (
    Cause,
    Ended,
    Progress,
    Running,
    Status,
    Uploads,
    Waiting,
    read_status,
)

_MAX_CAUSES = 3
_MAX_NAMES = 3
_PAUSE_SECONDS = 2.0


def status(
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Show the status again every two seconds, until Ctrl-C."),
    ] = False,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show what is running and what is waiting: uploads, loads, failures, alarms, the last loads.

    The exit code is 1 if anything needs a person: a failed load or an upload in a dead-letter
    queue, an alarm in state ALARM, or an upload that has waited for more than ten minutes.
    """
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    found = read_status(stack)
    if watch:
        found = _watch(stack, found, as_json)
    else:
        _print(stack, found, console(), as_json)
    if found.needs_a_person:
        raise typer.Exit(FAILED)


def _watch(stack: Stack, found: Status, as_json: bool) -> Status:
    """Shows the status until Ctrl-C, and returns the last one."""
    out = console()
    try:
        if as_json or not out.is_terminal:
            while True:
                _print(stack, found, out, as_json)
                time.sleep(_PAUSE_SECONDS)
                found = read_status(stack)
        with Live(console=out, auto_refresh=False) as live:
            while True:
                live.update(Group(*_lines(stack, found)), refresh=True)
                time.sleep(_PAUSE_SECONDS)
                found = read_status(stack)
    except KeyboardInterrupt:
        return found


def _print(stack: Stack, found: Status, out: Console, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(found), "needs_a_person": found.needs_a_person})
        return
    for line in _lines(stack, found):
        out.print(line, soft_wrap=True)


def _lines(stack: Stack, found: Status) -> Iterator[Text]:
    now = local_time(datetime.now(UTC))
    yield Text.assemble((f"Stack {stack.name}", "bold"), f", {stack.region}, {now}")
    if found.uploads:
        yield Text(_uploads(found.uploads))
    if found.running:
        yield from _running(found.running)
    if found.waiting:
        yield from _waiting(stack, found.waiting)
    if found.alarms is not None:
        yield Text(f"Alarms: {len(found.alarms) or 'none'}", "bold red" if found.alarms else "")
        for alarm in found.alarms:
            yield Text(f"  {alarm.name} since {local_time(alarm.since)}: {alarm.description}")
    if found.last:
        yield Text("Last loads:")
        yield from map(_ended, found.last)
    for sentence in found.unknown:
        yield Text(f"Unknown: {sentence}", "yellow")


def _uploads(uploads: Uploads) -> str:
    oldest = uploads.oldest_seconds
    waited = f", the oldest for {duration(oldest)}" if oldest is not None else ""
    return f"Uploads waiting for their load to start: {uploads.queued or 'none'}{waited}"


def _running(running: Running) -> Iterator[Text]:
    more = " or more" if running.more else ""
    yield Text(f"Running loads: {f'{running.loads:,}{more}' if running.loads else 'none'}")
    for one in running.listed:
        yield Text(f"  {one.execution}  {_progress(one)}")
    if hidden := running.loads - len(running.listed):
        yield Text(f"  ... and {hidden:,} that started later")


def _progress(progress: Progress) -> str:
    words = [duration(progress.seconds)]
    if progress.chunks is None:
        words.append("no plan yet")
    else:
        words.append(f"{progress.chunks_done or 0:,} of {count(progress.chunks, 'chunk')}")
    if progress.rows_read:
        words.append(count(progress.rows_read, "row"))
    if progress.rows_per_second:
        words.append(f"{progress.rows_per_second:,} rows/s")
    return ", ".join(words)


def _waiting(stack: Stack, waiting: Waiting) -> Iterator[Text]:
    if not waiting.messages:
        yield Text("Failures: none")
        return
    read = 0
    for title, causes, command in (
        ("Failed loads", waiting.failed_loads, ("dead-letters",)),
        ("Uploads that started no load", waiting.unstarted_uploads, ("replay", "--uploads")),
    ):
        failures = sum(len(cause.names) for cause in causes)
        read += failures
        if failures:
            yield Text(f"{title}: {failures:,}", "bold red")
            yield from _causes(causes)
            yield Text(next_step(stack, *command))
    if not read:
        yield Text(f"Failures: {count(waiting.messages, 'dead letter')}", "bold red")
        yield Text(next_step(stack, "dead-letters"))


def _causes(causes: Sequence[Cause]) -> Iterator[Text]:
    for cause in causes[:_MAX_CAUSES]:
        named = ", ".join(cause.names[:_MAX_NAMES])
        others = len(cause.names) - _MAX_NAMES
        yield Text(f"  {named}{f' and {others:,} more' if others > 0 else ''}: {cause.reason}")
    if others := sum(len(cause.names) for cause in causes[_MAX_CAUSES:]):
        yield Text(f"  {others:,} with other reasons")


def _ended(one: Ended) -> Text:
    ending = f" {one.ending}" if one.ending else ""
    rows = f", {count(one.rows_written, 'row')} written" if one.rows_written is not None else ""
    return Text.assemble(
        f"  {one.execution}  ",
        status_text(one.status),
        f"{ending}, {local_time(one.stopped_at)}, {duration(one.seconds)}{rows}",
    )
