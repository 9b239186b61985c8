"""What a check finds."""

from collections.abc import Sequence
from dataclasses import dataclass

OK = "ok"
WARNING = "warning"
"""The stack works, but its owner should know about something."""
FAILED = "failed"
UNKNOWN = "unknown"
"""A permission is missing, or the embedded engine doesn't implement what is checked."""

UNDO = "docs/operations.md#undo-changes-made-by-hand"
"""What to do, since deploying again doesn't change a resource that was changed by hand."""


@dataclass(frozen=True)
class Verdict:
    """The result of one check. `next` says what to do; None if there is nothing to do."""

    status: str
    detail: str
    next: str | None = None


@dataclass(frozen=True)
class Finding:
    """A verdict and the name of its check, as `tickets doctor --json` prints it."""

    check: str
    status: str
    detail: str
    next: str | None


class CantTell(Exception):
    """Ends a check that can't be carried out. The first argument is the detail, the second one what
    to do."""

    def __init__(self, detail: str, next_step: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.next_step = next_step


def ok(detail: str) -> Verdict:
    return Verdict(OK, detail)


def warning(detail: str, next_step: str) -> Verdict:
    return Verdict(WARNING, detail, next_step)


def failed(detail: str, next_step: str) -> Verdict:
    return Verdict(FAILED, detail, next_step)


def unknown(detail: str, next_step: str | None = None) -> Verdict:
    return Verdict(UNKNOWN, detail, next_step)


def verdict(problems: Sequence[str], good: str, next_step: str) -> Verdict:
    """`ok` with the detail `good` if there are no problems, and otherwise `failed` with all of
    them."""
    return failed("; ".join(problems), next_step) if problems else ok(good)
