"""Checks that alarms notify somebody, and whether anything needs attention now."""

import re
from typing import Any

from tickets.doctor.deployment import Deployment
from tickets.doctor.findings import UNDO, Verdict, failed, ok, unknown, verdict, warning

_PAGE = re.compile(r"docs/operations\.md#[a-z-]+")
_MAX_NAMED = 3


def alarms(deployment: Deployment) -> Verdict:
    """Whether every alarm of the template exists and is allowed to notify the topic."""
    topic = deployment.template.parameter("AlarmTopicArn")
    found = _described(deployment)
    problems = []
    names = deployment.template.names_of("AWS::CloudWatch::Alarm")
    for name in names:
        alarm = found.get(deployment.resources.get(name, ""))
        if alarm is None:
            problems.append(f"{name} doesn't exist")
        elif not alarm["ActionsEnabled"]:
            problems.append(f"the actions of {name} are disabled")
        elif topic and topic not in alarm["AlarmActions"]:
            problems.append(f"{name} doesn't notify the topic")
    if len(problems) > _MAX_NAMED:
        problems[_MAX_NAMED:] = [f"{len(problems) - _MAX_NAMED} more"]
    return verdict(problems, f"all {len(names)} exist", UNDO)


def alarm_topic(deployment: Deployment) -> Verdict:
    """Whether the topic of the alarms has a confirmed subscription."""
    topic = deployment.template.parameter("AlarmTopicArn")
    if not topic:
        return warning(
            "AlarmTopicArn is empty, so no alarm notifies anybody",
            "sam deploy --parameter-overrides AlarmTopicArn=TOPIC-ARN",
        )
    sns = deployment.client("sns")
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    subscriptions = [one["SubscriptionArn"] for page in pages for one in page["Subscriptions"]]
    confirmed = [one for one in subscriptions if one.startswith("arn:")]
    if confirmed:
        return ok(f"confirmed subscriptions of {topic}: {len(confirmed)}")
    if "PendingConfirmation" in subscriptions:
        return failed(
            f"no subscription of {topic} is confirmed yet",
            "open the link in the message that SNS sent to the subscriber",
        )
    return failed(
        f"{topic} has no subscription",
        f"aws sns subscribe --topic-arn {topic} --protocol email "
        "--notification-endpoint ADDRESS, and confirm it",
    )


def ringing(deployment: Deployment) -> Verdict:
    """Whether an alarm is in state ALARM now."""
    found = _described(deployment)
    names = {physical: name for name, physical in deployment.resources.items()}
    on = [name for name, alarm in found.items() if alarm["StateValue"] == "ALARM"]
    if on:
        page = _PAGE.search(found[on[0]].get("AlarmDescription", ""))
        return failed(
            f"{', '.join(names[one] for one in on)}: in state ALARM",
            page[0] if page else "docs/operations.md#an-alarm-goes-off",
        )
    if deployment.is_local:
        return unknown("the engine sends no metrics, so no alarm goes off by itself")
    return ok("no alarm is in state ALARM")


def dead_letters(deployment: Deployment) -> Verdict:
    """Whether failed loads or uploads wait in a dead-letter queue."""
    stack = deployment.stack
    loads = waiting(deployment, stack.failed_executions_queue_url)
    uploads = waiting(deployment, stack.upload_dead_letter_queue_url)
    if loads or uploads:
        return failed(
            f"failed loads that wait: about {loads:,}; uploads that started none: about "
            f"{uploads:,}",
            "tickets dead-letters",
        )
    return ok("both queues are empty")


def _described(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """The stack's alarms, by name."""
    names = [
        deployment.resources[name]
        for name in deployment.template.names_of("AWS::CloudWatch::Alarm")
        if name in deployment.resources
    ]
    pages = (
        deployment.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNames=names)
    )
    return {alarm["AlarmName"]: alarm for page in pages for alarm in page["MetricAlarms"]}


def waiting(deployment: Deployment, url: str) -> int:
    """The number of messages in a queue, including those that are hidden for a while."""
    names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
    ]
    answer = deployment.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return sum(int(value) for value in answer.get("Attributes", {}).values())
