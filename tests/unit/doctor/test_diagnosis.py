import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import boto3
import botocore.exceptions
import pytest

from tests.support.stubbed_deployment import StubbedDeployment
from tickets import ROOT
from tickets.doctor import diagnosis
from tickets.doctor.deployment import Deployment, seconds_ahead
from tickets.doctor.diagnosis import CALLS, CHECKS, diagnose, run, stack
from tickets.doctor.findings import FAILED, OK, UNKNOWN, WARNING, Verdict
from tickets.doctor.template import NotDeployed
from tickets.runs.stack import Stack, StackNotUsable

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


# --- calls that fail


def failing(code: str, message: str = "") -> Verdict:
    stubbed = StubbedDeployment()
    stubbed.error("sqs", "get_queue_attributes", code, message)
    return run(CHECKS["dead letters"], stubbed.deployment)


@pytest.mark.parametrize(
    ("code", "detail", "next_step"),
    [
        (
            "AccessDenied",
            "your credentials don't allow sqs:GetQueueAttributes",
            "allow sqs:GetQueueAttributes",
        ),
        ("ThrottlingException", "GetQueueAttributes was throttled", "run it again"),
        ("ExpiredToken", "your AWS session has expired", "sign in again"),
    ],
)
def test_a_call_that_is_not_answered_says_nothing_of_the_stack(
    code: str, detail: str, next_step: str
) -> None:
    assert failing(code) == Verdict(UNKNOWN, detail, next_step)


def test_a_resource_that_is_gone_is_a_fault() -> None:
    found = failing("AWS.SimpleQueueService.NonExistentQueue", "The queue does not exist.")
    assert found.status == FAILED
    assert found.detail == (
        "GetQueueAttributes failed (AWS.SimpleQueueService.NonExistentQueue: The queue does not "
        "exist)"
    )


def test_no_answer_is_no_fault() -> None:
    def check(deployment: Deployment) -> Verdict:
        raise botocore.exceptions.ConnectTimeoutError(endpoint_url="https://sqs")

    assert run(check, StubbedDeployment().deployment).status == UNKNOWN


def test_a_resource_that_the_stack_lacks_has_to_be_deployed() -> None:
    def check(deployment: Deployment) -> Verdict:
        raise NotDeployed("SettleEqualKeys")

    found = run(check, StubbedDeployment().deployment)
    assert found.status == FAILED
    assert "no resource SettleEqualKeys" in found.detail
    assert (found.next or "").startswith("sam build && sam deploy")


# --- the stack and the clock


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("CREATE_COMPLETE", OK),
        ("UPDATE_COMPLETE", OK),
        ("UPDATE_IN_PROGRESS", WARNING),
        ("UPDATE_ROLLBACK_COMPLETE", WARNING),
        ("UPDATE_ROLLBACK_FAILED", FAILED),
        ("DELETE_FAILED", FAILED),
    ],
)
def test_the_status_of_the_stack(status: str, expected: str) -> None:
    assert stack(StubbedDeployment(status=status).deployment).status == expected


def test_a_missing_output_is_named() -> None:
    stubbed = StubbedDeployment()
    del stubbed.stack.outputs["ReconcileFunctionName"]  # type: ignore[attr-defined]
    found = stack(stubbed.deployment)
    assert found.status == FAILED
    assert found.detail == "CREATE_COMPLETE, without the output ReconcileFunctionName"


@pytest.mark.parametrize(
    ("ahead", "status", "words"),
    [
        (0, OK, "within 30 s"),
        (-29, OK, "within 30 s"),
        (45, WARNING, "45 s ahead of AWS"),
        (-301, FAILED, "301 s behind AWS"),
        (None, UNKNOWN, "no date"),
    ],
)
def test_the_clock(ahead: float | None, status: str, words: str) -> None:
    stubbed = StubbedDeployment()
    stubbed.deployment.__dict__["seconds_ahead"] = ahead
    found = diagnosis.clock(stubbed.deployment)
    assert found.status == status
    assert words in found.detail


def test_the_clock_is_compared_with_the_date_of_a_response() -> None:
    sent = format_datetime(datetime.now(UTC) - timedelta(seconds=600), usegmt=True)
    ahead = seconds_ahead({"ResponseMetadata": {"HTTPHeaders": {"date": sent}}})
    assert ahead is not None
    assert 600 <= ahead < 660
    assert seconds_ahead({"ResponseMetadata": {"HTTPHeaders": {}}}) is None


def test_a_refused_signature_shows_the_clock() -> None:
    """AWS refuses every request if the clock is wrong."""
    sent = format_datetime(datetime.now(UTC) + timedelta(seconds=900), usegmt=True)
    answer = {
        "Error": {"Code": "SignatureDoesNotMatch", "Message": "Signature expired"},
        "ResponseMetadata": {"HTTPHeaders": {"date": sent}},
    }

    def find() -> Stack:
        cause = botocore.exceptions.ClientError(answer, "DescribeStacks")  # type: ignore[arg-type]
        raise StackNotUsable("Stack tickets can't be read: check your credentials.") from cause

    clock, found = diagnose(find)
    assert (clock.check, clock.status, found.check, found.status) == (
        *("clock", FAILED),
        *("stack", FAILED),
    )
    assert "behind AWS" in clock.detail


# --- the documentation


def section(title: str) -> str:
    return PAGE.partition(f"\n### {title}\n")[2].partition("\n### ")[0]


def test_the_page_has_a_row_for_each_check_in_order() -> None:
    rows = re.findall(r"^\| `([a-z -]+)` \|", section("Check the settings"), re.MULTILINE)
    assert rows == list(CHECKS)


def test_the_page_lists_the_permissions() -> None:
    found = re.findall(r"`([a-z0-9]+:[A-Z][A-Za-z]+)`", section("Check the settings"))
    assert found == sorted(CALLS.values())


def test_no_call_changes_anything() -> None:
    assert [
        call for call in CALLS if not call.startswith(("Describe", "Get", "List", "Simulate"))
    ] == []


def test_every_call_exists() -> None:
    services = {permission.split(":")[0] for permission in CALLS.values()}
    names = {"states": "stepfunctions"}
    session = boto3.Session(region_name="eu-central-1")
    operations = {
        operation
        for service in services
        for operation in session.client(
            names.get(service, service)
        ).meta.service_model.operation_names  # type: ignore[call-overload]
    }
    assert CALLS.keys() <= operations


def test_every_section_that_a_finding_names_exists() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tickets/doctor").glob("*.py")]
    named = set(re.findall(r"docs/operations\.md#([a-z-]+)", "\n".join(sources)))
    titles = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-") for one in titles}
    assert len(named) >= 7
    assert named - anchors == set()
