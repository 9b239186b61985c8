"""Runs the checks of a plan against a stack, and removes what they leave behind."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from tickets.runs.stack import Stack
from tickets.verify.checks import Check, Checks
from tickets.verify.cleanup import Removed, clean_up
from tickets.verify.comparison import Comparison
from tickets.verify.plan import Plan
from tickets.verify.traffic import Traffic


def verify(
    stack: Stack,
    plan: Plan,
    timeout: float,
    on_check: Callable[[Check], None],
    on_step: Callable[[str], None],
    on_removed: Callable[[Removed], None],
) -> None:
    """Runs all checks, then cleans up, also if the checks are interrupted.

    timeout: the seconds that each load may take.
    on_check: called with the result of each check when it is known.
    on_step: called with a few words before each step that may take long.
    on_removed: called with the result of the clean-up.
    """
    with tempfile.TemporaryDirectory(prefix="tickets-verify-") as folder:
        traffic = Traffic(stack, Path(folder), timeout, on_step)
        try:
            for check in Checks(plan, traffic, Comparison(stack, plan.schema, plan.lineage)).run():
                on_check(check)
        finally:
            on_removed(clean_up(stack, plan, traffic, on_step))
