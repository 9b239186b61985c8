"""Topics and their subscriptions. tests/e2e/test_doctor.py has the alarms."""

import pytest

from tests.support.stubbed_deployment import StubbedDeployment
from tickets.doctor.alarms import alarm_topic
from tickets.doctor.diagnosis import run
from tickets.doctor.findings import FAILED, OK, UNKNOWN, WARNING, Verdict

TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"
CONFIRMED = f"{TOPIC}:0a1b2c3d"


def with_subscriptions(*arns: str) -> Verdict:
    stubbed = StubbedDeployment(AlarmTopicArn=TOPIC)
    subscriptions = [{"SubscriptionArn": one, "TopicArn": TOPIC} for one in arns]
    stubbed.answer("sns", "list_subscriptions_by_topic", {"Subscriptions": subscriptions})
    return alarm_topic(stubbed.deployment)


@pytest.mark.parametrize(
    ("arns", "status", "words"),
    [
        ((CONFIRMED,), OK, "alarms: 1"),
        (("PendingConfirmation", CONFIRMED), OK, "alarms: 1"),
        (("PendingConfirmation",), FAILED, "is confirmed yet"),
        (("Deleted",), FAILED, "has no subscription"),
        ((), FAILED, "has no subscription"),
    ],
)
def test_one_confirmed_subscription_is_needed(
    arns: tuple[str, ...], status: str, words: str
) -> None:
    found = with_subscriptions(*arns)
    assert found.status == status
    assert words in found.detail
    assert (found.next is None) == (status == OK)


def test_without_a_topic_no_alarm_notifies_anybody() -> None:
    found = alarm_topic(StubbedDeployment().deployment)
    assert found.status == WARNING
    assert "AlarmTopicArn=TOPIC-ARN" in (found.next or "")


def test_a_topic_of_another_account_may_not_be_readable() -> None:
    stubbed = StubbedDeployment(AlarmTopicArn=TOPIC)
    stubbed.error("sns", "list_subscriptions_by_topic", "AuthorizationError")
    assert run(alarm_topic, stubbed.deployment).status == UNKNOWN
