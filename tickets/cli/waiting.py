"""Waits for one or several loads, and prints how they end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from rich.console import Console
from rich.text import Text

from ingestion.executions.history import ALREADY_LOADED, LOADED, OVERTAKEN
from tickets.cli.console import console, print_error, print_json
from tickets.cli.next_step import next_step
from tickets.cli.outcome import GOES_ON, exit_code, outcome_json, print_outcome
from tickets.cli.progress import NOT_STARTED, go_on, loads_go_on, watch, watch_several
from tickets.cli.text import duration, row_counts
from tickets.runs.executions import Execution, Outcome
from tickets.runs.follow import START_TIMEOUT_SECONDS
from tickets.runs.stack import Stack

MAX_SHOWN = 5
"""Up to this number, each load is printed; beyond it, only the failed ones and the sums."""
_ROWS = ("rows_read", "rows_written", "rows_superseded", "rows_combined", "rows_refused")


@dataclass(frozen=True)
class Awaited:
    """A load to wait for. `label` is what to call it, `facts` are the first fields of its JSON."""

    arn: str
    label: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def wait_for(
    stack: Stack,
    loads: Sequence[Awaited],
    out: Console,
    *,
    timeout: float | None = None,
    as_json: bool = False,
) -> int:
    """Waits until loads have ended, and prints their outcomes, as text or as JSON.

    out: for the progress and for the loads that succeeded; the others are printed even if it is a
    quiet one.
    timeout: seconds for all of them together.
    Returns the exit code: 1 if a load failed, 3 if only the timeout ran out.
    """
    view = _View(stack, loads, out, as_json)
    if len(loads) == 1:
        view.ended(*watch(stack, loads[0].arn, out, timeout))
    else:
        with loads_go_on(stack, view.left):
            for execution, outcome in watch_several(stack, list(view.left), out, timeout):
                view.ended(execution, outcome)
    return view.end()


class _View:
    """Prints loads as they end. `left` are the executions that have not ended, by ARN."""

    def __init__(self, stack: Stack, loads: Sequence[Awaited], out: Console, as_json: bool) -> None:
        self.left = {one.arn: one for one in loads}
        self._stack = stack
        self._loads = loads
        self._out = out
        self._errors = console(quiet=as_json)
        self._as_json = as_json
        self._began = monotonic()
        self._outcomes: list[Outcome] = []
        self._failures: dict[str, list[str]] = {}
        """The labels of the loads that failed, by their errors."""

    def ended(self, execution: Execution, outcome: Outcome) -> None:
        load = self.left[execution.arn]
        if outcome.status not in GOES_ON:
            del self.left[execution.arn]
        self._outcomes.append(outcome)
        error = self._error(execution, outcome)
        if error is not None:
            self._failures.setdefault(error, []).append(load.label)
        if self._as_json:
            self._print_json(load, execution, outcome, error)
        elif len(self._loads) <= MAX_SHOWN:
            self._print(load, execution, outcome)

    def end(self) -> int:
        """Prints the summary; returns the exit code."""
        if not self._as_json and len(self._loads) > MAX_SHOWN:
            self._print_failures()
            (self._errors if self._failures or self.left else self._out).print(self._summary())
            self._print_next_step()
        return exit_code(self._outcomes)

    def _error(self, execution: Execution, outcome: Outcome) -> str | None:
        if outcome.status in GOES_ON:
            return None
        if outcome.status != NOT_STARTED:
            return execution.failure
        return (
            f"No execution appeared within {START_TIMEOUT_SECONDS:.0f} s: look for its message in "
            f"the upload queue {self._stack.upload_queue_url} and its dead-letter queue."
        )

    def _print(self, load: Awaited, execution: Execution, outcome: Outcome) -> None:
        out = self._out if outcome.loaded else self._errors
        out.print(Text(load.label, style="bold"))
        if outcome.status == NOT_STARTED:
            error = self._error(execution, outcome) or ""
            out.print(Text.assemble(("Not started: ", "bold red"), error))
        elif outcome.status is None:
            out.print("Not started yet.")
        else:
            print_outcome(out, execution, outcome)

    def _print_json(
        self, load: Awaited, execution: Execution, outcome: Outcome, error: str | None
    ) -> None:
        if outcome.status in (None, NOT_STARTED):
            names = {"execution": execution.name, "execution_arn": execution.arn}
            print_json({**names, **load.facts, "status": outcome.status, "error": error})
        else:
            print_json({**outcome_json(execution, outcome), **load.facts})
        if error is not None:
            print_error(f"{load.label}: {error}")

    def _print_failures(self) -> None:
        for error, labels in self._failures.items():
            several = f"{len(labels):,} loads: " if len(labels) > 1 else ""
            self._errors.print(Text.assemble(("Failed: ", "bold red"), several, error))
            for label in labels[:MAX_SHOWN]:
                self._errors.print(Text(f"  {label}"))
            if len(labels) > MAX_SHOWN:
                self._errors.print(f"  ... and {len(labels) - MAX_SHOWN:,} more")

    def _summary(self) -> Text:
        """`Loaded 297 of 300 files in 2 min 03 s, 3 failed: 600 rows read = ...`"""
        loaded = [one for one in self._outcomes if one.ending == LOADED]
        others = {
            "already loaded": sum(one.ending == ALREADY_LOADED for one in self._outcomes),
            "overtaken": sum(one.ending == OVERTAKEN for one in self._outcomes),
            "failed": sum(map(len, self._failures.values())),
            "still running": len(self.left),
        }
        said = "".join(f", {number:,} {what}" for what, number in others.items() if number)
        rows = {name: sum(vars(one)[name] or 0 for one in loaded) for name in _ROWS}
        style = "bold red" if self._failures else "bold cyan" if self.left else "bold green"
        return Text.assemble(
            (f"Loaded {len(loaded):,} of {len(self._loads):,}", style),
            f" in {duration(monotonic() - self._began)}{said}: {row_counts(rows)}.",
        )

    def _print_next_step(self) -> None:
        if self._failures:
            self._errors.print(Text(next_step(self._stack, "dead-letters")))
        for line in go_on(self._stack, self.left):
            self._errors.print(Text(line))
