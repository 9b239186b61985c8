"""`tickets verify`: checks a deployment by loading test files."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from ingestion.executions.history import count
from tickets.cli.console import console, print_json
from tickets.cli.options import AsJson, EndpointUrl, Profile, Region, StackName
from tickets.cli.text import duration, size
from tickets.errors import FAILED as EXIT_FAILED
from tickets.runs import connect
from tickets.runs.stack import Stack
from tickets.verify.checks import FAILED, PASSED, SKIPPED, Check
from tickets.verify.cleanup import Removed
from tickets.verify.plan import Plan, make_plan
from tickets.verify.verification import verify as run_verification

_MARKS = {PASSED: ("✓", "green"), FAILED: ("✗", "bold red"), SKIPPED: ("-", "yellow")}
_NAME_WIDTH = 26
_ALARMS = ("LoadsFailed", "LoadsAborted")
"""The alarms that the checks of failures set off. FailedLoadsWaiting may go off, too: the dead
letters are in the queue for a few seconds only."""


def verify(
    failures: Annotated[
        bool,
        typer.Option(
            "--failures", help="Also check a bad file and a stopped load. This sets off alarms."
        ),
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            min=1,
            help="Maximum number of seconds that each load may take.",
        ),
    ] = 600,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Load test files whose results are known, and compare what the deployment makes of them.

    The files are uploaded below verify-ID/, and their tickets have ids that begin with verify-ID,
    so that no other row is touched. Every row is read back and compared, and so are the reports,
    the refused rows and the ledger. At the end, and after Ctrl-C, the rows and files are deleted.
    The exit code is 1 if a check fails or something could not be deleted.
    """
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    plan = make_plan(stack, failures)
    out = console(quiet=as_json)
    view = _View(out, as_json)
    view.begin(stack, plan)
    try:
        run_verification(stack, plan, timeout, view.check, view.step, view.removed)
        view.complete = True
    finally:
        view.end(stack)
    if not view.passed:
        raise typer.Exit(EXIT_FAILED)


class _View:
    """Prints the plan, each check when its result is known, and the verdict."""

    def __init__(self, out: Console, as_json: bool) -> None:
        self._out = out
        self._as_json = as_json
        self._began = time.monotonic()
        self._spinner = out.status("") if out.is_terminal else None
        self._checks: list[Check] = []
        self._removed: Removed | None = None
        self.complete = False
        """Whether all checks were made."""

    @property
    def passed(self) -> bool:
        clean = self._removed is not None and not self._removed.problems
        return self.complete and clean and not self._number(FAILED)

    def begin(self, stack: Stack, plan: Plan) -> None:
        cost = plan.cost()
        if self._as_json:
            print_json(
                {
                    "kind": "plan",
                    "stack": stack.name,
                    "region": stack.region,
                    "table": stack.table,
                    "run": plan.run,
                    **asdict(cost),
                    "dollars": round(cost.dollars, 4),
                    "alarms": _ALARMS if plan.stopped else (),
                }
            )
        where = f" at {stack.endpoint_url}" if stack.endpoint_url else ""
        self._print(
            f"Verifying stack {stack.name} in {stack.region}{where}: table {stack.table}, files "
            f"below {plan.prefix}"
        )
        self._print(
            f"Uploads {size(cost.bytes_uploaded)}. Costs about ${cost.dollars:.3f} at the list "
            f"prices of us-east-1: {cost.writes:,} writes and {cost.transitions:,} state "
            "transitions. Lambda and requests are extra."
        )
        if plan.stopped:
            self._print(
                f"A file is refused and a load is stopped on purpose: the alarms "
                f"{' and '.join(_ALARMS)} will go off, and FailedLoadsWaiting may."
            )
        self._print("")
        if self._spinner:
            self._spinner.start()

    def step(self, words: str) -> None:
        if self._spinner:
            self._spinner.update(Text(words))

    def check(self, check: Check) -> None:
        self._checks.append(check)
        if self._as_json:
            print_json({"kind": "check", **asdict(check)})
            return
        mark = _MARKS[check.status]
        took = f" ({duration(check.seconds)})" if check.seconds is not None else ""
        name = f"{check.name:<{_NAME_WIDTH}}"
        self._print(Text.assemble(mark, f" {name} {check.evidence}", (took, "dim")))
        for problem in check.problems:
            self._print(Text(f"    {problem}", style="red"))
        if check.next_step:
            self._print(Text(f"    next: {check.next_step}"))

    def removed(self, removed: Removed) -> None:
        self._removed = removed
        if self._as_json:
            print_json({"kind": "removed", **asdict(removed)})

    def end(self, stack: Stack) -> None:
        """Prints the verdict and what is left."""
        if self._spinner:
            self._spinner.stop()
        failed, skipped = self._number(FAILED), self._number(SKIPPED)
        seconds = time.monotonic() - self._began
        if self._as_json:
            print_json(
                {
                    "kind": "verdict",
                    "verified": self.passed,
                    "complete": self.complete,
                    "passed": self._number(PASSED),
                    "failed": failed,
                    "skipped": skipped,
                    "seconds": round(seconds, 1),
                }
            )
            return
        if self._removed is not None:
            self._print("")
            for line in _left(stack, self._removed):
                self._print(line)
        verdict = ("Verified", "bold green") if self.passed else ("Not verified", "bold red")
        numbers = f"{self._number(PASSED)} passed, {failed} failed, {skipped} skipped"
        how = "in" if self.complete else "interrupted after"
        self._print(Text.assemble(verdict, f": {numbers}, {how} {duration(seconds)}."))

    def _number(self, status: str) -> int:
        return sum(check.status == status for check in self._checks)

    def _print(self, text: str | Text) -> None:
        self._out.print(Text(text) if isinstance(text, str) else text, soft_wrap=True)


def _left(stack: Stack, removed: Removed) -> Iterator[str]:
    """What was removed, and what is left."""
    yield (
        f"Removed: {count(removed.items, 'item')}, "
        f"{count(removed.object_versions, 'object version')}, "
        f"{count(removed.dead_letters, 'dead letter')}."
    )
    yield (
        f"Left: {count(removed.executions, 'execution')}, with their entries in the ledger "
        f"{stack.ledger_table} and their reports in {stack.work_bucket}."
    )
    if removed.not_started:
        yield (
            f"Not started: {', '.join(removed.not_started)}. The messages of these uploads are "
            "still in a queue. Their files are deleted, so loads that start later are refused "
            "(object_gone)."
        )
    if removed.stopped:
        yield (
            f"Stopped: {', '.join(removed.stopped)}. A function that is still running may write "
            "rows again."
        )
    yield from removed.problems
