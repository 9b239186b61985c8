"""`tickets resubmit`: loads corrected rows of a load."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from ingestion.executions.history import OVERTAKEN
from tickets.cli.console import console, print_error, print_json
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
from tickets.cli.outcome import exit_if_failed, outcome_json, print_outcome
from tickets.cli.progress import watch
from tickets.runs import connect
from tickets.runs.dead_letters import held_dead_letters
from tickets.runs.executions import Outcome, find_execution
from tickets.runs.resubmit import Resubmission, dismiss
from tickets.runs.resubmit import resubmit as start
from tickets.runs.stack import Stack


def resubmit(
    execution: ExecutionName,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="The corrected rows, from `tickets refused EXECUTION --fixable`."
        ),
    ],
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Let the corrected rows replace rows of the same file that have the same keys.",
        ),
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            min=0,
            help="Maximum number of seconds to wait. After that, the load goes on, and the exit "
            "code is 3.",
        ),
    ] = None,
    reason: ReasonText = None,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Load rows of an earlier load that you have corrected, and wait until they are loaded.

    They are read like the original file, with the source of its key. If a later version of that
    file has been loaded since, they are refused, because they would replace its rows. If the
    original load failed because of its refused rows, its dead letters are deleted as soon as the
    corrected rows are loaded.
    """
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    found = find_execution(stack, execution)
    started = start(stack, found, file, reason, replace_rows=replace)
    if not started.keys_checked:
        print_error(
            "The load is too old to check whether the corrected rows replace others of its file."
        )
    out = console(quiet=as_json)
    name = started.execution
    out.print(Text(f"Uploaded {file} as {started.uri}\n  execution {name}"), soft_wrap=True)
    ended, outcome = watch(stack, started.execution_arn, out, timeout)
    dismissed = _dismiss(stack, started, outcome)
    if as_json:
        own = {"resubmits": asdict(started.original), "dismissed": dismissed}
        print_json({**outcome_json(ended, outcome), "file": str(file), **own})
    else:
        print_outcome(out, ended, outcome)
        for one in dismissed:
            out.print(Text(f"The dead letter of {one} is dismissed."), soft_wrap=True)
        if outcome.rows_refused:
            again = next_step(stack, "refused", name, "--fixable", "again.csv")
            out.print(Text(again), soft_wrap=True)
    exit_if_failed(outcome)


def _dismiss(stack: Stack, started: Resubmission, outcome: Outcome) -> list[str]:
    if not outcome.loaded or outcome.ending == OVERTAKEN:
        return []
    with held_dead_letters(stack) as letters:
        return dismiss(stack, started, letters)
