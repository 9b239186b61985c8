"""The report page and `tickets dead-letters` name the same next step for a failed load."""

from typing import Any

import pytest

from ingestion.report_page.building import page_of
from ingestion.report_page.recorded import Recorded
from tests.support.command_line import tickets
from tests.support.dead_letter_queue import (
    GIVEN,
    event,
    graph_letter,
    refused_letter,
    send,
    state_failed,
)
from tests.support.step_functions import EXECUTION
from tests.support.visited_states import BEGAN, visited
from tickets.runs.stack import Stack

pytestmark = pytest.mark.usefixtures("empty_queues")

ERROR = {"error": "AccessDenied", "message": "No.", "chunks": 4, "indexes": "0-3"}
LETTERS: dict[str, dict[str, Any]] = {
    "refused": refused_letter("a"),
    "access denied": refused_letter("a", "access_denied"),
    "a state failed": state_failed("a"),
    "chunks failed": graph_letter("a", result={"rows_refused": 0, "errors": [ERROR]}),
    "too many refused rows": graph_letter("a", result={"rows_refused": 9}),
    "timed out": event("a", "TIMED_OUT"),
    "stopped": event("a", "ABORTED", "Stopped", "Wrong file."),
    "ended by Step Functions": event("a", "FAILED", "States.Runtime", "No path."),
}


@pytest.mark.parametrize("how", LETTERS)
def test_the_first_command_is_the_same(stack: Stack, how: str) -> None:
    letter = LETTERS[how]
    send(stack, letter)
    *_, step = tickets("dead-letters").stdout.splitlines()
    detail = letter.get("detail", {})
    written = {} if detail else {"output": {"dead_letter": letter}}
    known = Recorded(
        "a",
        f"{EXECUTION}:a",
        detail.get("status", "FAILED"),
        BEGAN,
        BEGAN,
        GIVEN,
        detail.get("error"),
        detail.get("cause"),
        states=visited("Validate File", ("Describe Failure", written)),
    )
    [first, *_] = [one.command for one in page_of(known, BEGAN).next_steps if one.command]
    assert f"next: {first}" == step
