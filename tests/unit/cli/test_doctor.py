"""How `tickets doctor` prints what its checks find. The checks are tested in tests/unit/doctor."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.command_line import lines, tickets
from tickets.cli import doctor as doctor_module
from tickets.doctor.findings import FAILED, OK, UNKNOWN, WARNING, Finding
from tickets.runs.stack import Stack

pytestmark = pytest.mark.usefixtures("alone")

FINDINGS = [
    Finding("stack", OK, "CREATE_COMPLETE", None),
    Finding("alarm topic", WARNING, "no topic", "sam deploy"),
    Finding("permissions", UNKNOWN, "not allowed", "allow it"),
]
FAULT = Finding("dead letters", FAILED, "one waits", "tickets dead-letters")


def found(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    def diagnose(find_stack: Callable[[], Stack]) -> Iterator[Finding]:
        yield from findings

    monkeypatch.setattr(doctor_module, "diagnose", diagnose)


def test_one_line_per_check_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, *FINDINGS, FAULT)
    result = tickets("doctor")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "ok          stack: CREATE_COMPLETE",
        "warning     alarm topic: no topic",
        "            next: sam deploy",
        "can't tell  permissions: not allowed",
        "            next: allow it",
        "failed      dead letters: one waits",
        "            next: tickets dead-letters",
        "",
        "1 ok, 1 warning, 1 failed, 1 can't tell",
    ]


def test_only_a_failed_check_changes_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, *FINDINGS)
    assert tickets("doctor").exit_code == 0


def test_json_has_one_object_per_check(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, FINDINGS[0], FAULT)
    result = tickets("doctor", "--json")
    assert result.exit_code == 1
    assert lines(result) == [
        {"check": "stack", "status": "ok", "detail": "CREATE_COMPLETE", "next": None},
        {
            "check": "dead letters",
            "status": "failed",
            "detail": "one waits",
            "next": "tickets dead-letters",
        },
    ]


def test_no_stack_is_a_failed_check(monkeypatch: pytest.MonkeyPatch) -> None:
    result = tickets("doctor", "--json", "--endpoint-url", "http://127.0.0.1:1", "--region", "r")
    assert result.exit_code == 1
    [only] = lines(result)
    assert (only["check"], only["status"], only["next"]) == ("stack", "failed", None)
    assert only["detail"].startswith("Nothing answers at http://127.0.0.1:1")
