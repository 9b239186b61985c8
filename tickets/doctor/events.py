"""Checks how an upload reaches start_execution, and an ending the queues that it has to reach."""

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from tickets.doctor.alarms import waiting
from tickets.doctor.deployment import Deployment
from tickets.doctor.findings import UNDO, CantTell, Verdict, failed, ok, verdict
from tickets.doctor.template import as_list
from tickets.runs.ingest import NOTIFIED_ENDINGS

_CREATED = "s3:ObjectCreated:*"
_PARTIAL = "ReportBatchItemFailures"
_POLLS = ("Creating", "Enabled", "Enabling", "Updating")
_ENABLE = "aws lambda update-event-source-mapping --uuid {} --enabled"
_QUEUES = {
    "FailedExecutionsQueue": "the failed-executions queue",
    "ReportPagesQueue": "the report-pages queue",
    "UploadQueue": "the upload queue",
}
_EVENTS = "docs/operations.md#where-events-come-from"
_PAGES_MISSING = "docs/operations.md#report-pages-missing"
_SWITCH_ON = "docs/operations.md#load-from-a-bucket-that-exists"


def upload_notification(deployment: Deployment) -> Verdict:
    """Whether the upload bucket sends each new object with one of the endings to the queue.

    A bucket that the stack didn't create sends them through EventBridge and a rule.
    """
    bucket = deployment.stack.upload_bucket
    found = deployment.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    if deployment.template.parameter("ExistingUploadBucket"):
        return _existing_bucket(deployment, bucket, "EventBridgeConfiguration" in found)
    queue = deployment.template.arn("UploadQueue")
    sent = set()
    for one in found.get("QueueConfigurations", []):
        rules = one.get("Filter", {}).get("Key", {}).get("FilterRules", [])
        names = {rule["Name"].lower(): rule["Value"] for rule in rules}
        if one["QueueArn"] == queue and _CREATED in one["Events"] and not names.get("prefix"):
            sent |= {end for end in NOTIFIED_ENDINGS if end.endswith(names.get("suffix", ""))}
    missing = [ending for ending in NOTIFIED_ENDINGS if ending not in sent]
    if missing:
        keys = ", ".join(missing)
        others = [
            name
            for name, key in (
                ("SNS", "TopicConfigurations"),
                ("EventBridge", "EventBridgeConfiguration"),
            )
            if key in found
        ]
        if others:
            raise CantTell(
                f"{bucket} sends events to {' and '.join(others)}, and none of its own for "
                f"{keys}: whether they reach the upload queue isn't checked",
                _EVENTS,
            )
        return failed(f"{bucket} sends no event for {keys} to the upload queue", UNDO)
    return ok(f"the bucket sends events for {', '.join(NOTIFIED_ENDINGS)} to the upload queue")


def _existing_bucket(deployment: Deployment, bucket: str, is_on: bool) -> Verdict:
    problems = [*_rule_problems(deployment, "ExistingBucketRule", "UploadQueue")]
    if problems:
        return failed("; ".join(problems), UNDO)
    if is_on:
        return ok(
            f"{bucket} sends events to EventBridge, and the rule sends them to the upload queue"
        )
    if deployment.template.parameter("UploadTopicArn"):
        raise CantTell(
            f"{bucket} sends no events to EventBridge: whether those of UploadTopicArn reach the "
            "upload queue isn't checked",
            _EVENTS,
        )
    return failed(f"{bucket} sends no events to EventBridge, so uploads start nothing", _SWITCH_ON)


def upload_queue(deployment: Deployment) -> Verdict:
    """Whether the upload queue admits what sends uploads to it, and moves what can't be started to
    its dead-letter queue."""
    template = deployment.template
    attributes = _attributes(deployment, deployment.stack.upload_queue_url)
    queue = template.arn("UploadQueue")
    senders = list(_senders(deployment))
    problems = [
        f"its policy doesn't let {name} send"
        for name, service, source in senders
        if not admits(attributes.get("Policy"), service, queue, source, template.account)
    ]
    if not _passes_on_to(attributes, template.arn("UploadDeadLetterQueue")):
        problems.append("it has no dead-letter queue, or another one")
    admitted = " and ".join(name for name, _, _ in senders)
    return verdict(problems, f"admits {admitted}, and has its dead-letter queue", UNDO)


def _senders(deployment: Deployment) -> Iterator[tuple[str, str, str]]:
    """Yields a name, the service and the ARN of each sender that the upload queue should admit."""
    template = deployment.template
    if template.parameter("ExistingUploadBucket"):
        yield "the rule", "events.amazonaws.com", template.arn("ExistingBucketRule")
    else:
        bucket = f"arn:{template.partition}:s3:::{deployment.stack.upload_bucket}"
        yield "the upload bucket", "s3.amazonaws.com", bucket
    if topic := template.parameter("UploadTopicArn"):
        yield "the topic", "sns.amazonaws.com", topic


def event_source(deployment: Deployment) -> Verdict:
    """Whether Lambda polls the upload queue, reports single failed messages, and has a limit."""
    found = _mappings(deployment, "StartExecution", "UploadQueue")
    if not found:
        return failed("start_execution doesn't receive the messages of the upload queue", UNDO)
    problems = []
    next_step = UNDO
    for one in found:
        if one["State"] not in _POLLS:
            problems.append(f"it is {one['State']}, so uploads wait in their queue")
            next_step = _ENABLE.format(one["UUID"])
        if _PARTIAL not in one.get("FunctionResponseTypes", []):
            problems.append(f"it has no {_PARTIAL}: one bad message makes its whole batch fail")
        if not one.get("ScalingConfig", {}).get("MaximumConcurrency"):
            problems.append(
                "it has no MaximumConcurrency, so throttled messages end as dead letters"
            )
        result = one.get("LastProcessingResult", "")
        if "PROBLEM" in result:
            problems.append(f"Lambda reports: {result}")
    good = f"{found[0]['State']}, with {_PARTIAL} and MaximumConcurrency"
    return verdict(problems, good, next_step)


def uncaught_endings(deployment: Deployment) -> Verdict:
    """Whether the EventBridge rule sends executions that were stopped or timed out to the
    failed-executions queue."""
    template = deployment.template
    queue = template.arn("FailedExecutionsQueue")
    problems = [*_rule_problems(deployment, "UncaughtEndingsRule", "FailedExecutionsQueue")]
    policy = _attributes(deployment, deployment.stack.failed_executions_queue_url).get("Policy")
    source = template.arn("UncaughtEndingsRule")
    if not admits(policy, "events.amazonaws.com", queue, source, template.account):
        problems.append("the queue's policy doesn't let the rule send")
    return verdict(problems, "the rule sends them to the failed-executions queue", UNDO)


def report_pages(deployment: Deployment) -> Verdict:
    """Whether each execution that ends is announced to write_report_page, and whether there are
    endings whose pages could not be made."""
    template = deployment.template
    queue = template.arn("ReportPagesQueue")
    attributes = _attributes(deployment, template.physical("ReportPagesQueue"))
    problems = [*_rule_problems(deployment, "EndingsRule", "ReportPagesQueue")]
    next_step = UNDO
    source = template.arn("EndingsRule")
    if not admits(
        attributes.get("Policy"), "events.amazonaws.com", queue, source, template.account
    ):
        problems.append("the queue's policy doesn't let the rule send")
    if not _passes_on_to(attributes, template.arn("ReportPagesDeadLetterQueue")):
        problems.append("the queue has no dead-letter queue, or another one")
    mappings = _mappings(deployment, "WriteReportPage", "ReportPagesQueue")
    if not mappings:
        problems.append("write_report_page doesn't receive the messages of the queue")
    for one in mappings:
        if one["State"] not in _POLLS:
            problems.append(f"its event source is {one['State']}, so no page is made")
            next_step = _ENABLE.format(one["UUID"])
    if problems:
        return failed("; ".join(problems), next_step)
    lost = waiting(deployment, template.physical("ReportPagesDeadLetterQueue"))
    if lost:
        return failed(f"pages that could not be made: about {lost:,}", _PAGES_MISSING)
    return ok("the rule announces each ending to write_report_page, and no page has failed")


def _mappings(deployment: Deployment, function: str, queue: str) -> list[dict[str, Any]]:
    """The event source mappings by which a function of the stack polls a queue of the stack."""
    pages = (
        deployment.client("lambda")
        .get_paginator("list_event_source_mappings")
        .paginate(FunctionName=deployment.template.physical(function))
    )
    arn = deployment.template.arn(queue)
    return [
        one for page in pages for one in page["EventSourceMappings"] if one["EventSourceArn"] == arn
    ]


def _passes_on_to(attributes: Mapping[str, str], dead_letter_queue: str) -> bool:
    redrive = json.loads(attributes.get("RedrivePolicy", "{}"))
    return bool(redrive.get("deadLetterTargetArn") == dead_letter_queue)


def _rule_problems(deployment: Deployment, name: str, queue: str) -> Iterator[str]:
    """Describes what keeps a rule of the stack from sending the template's events to a queue."""
    template = deployment.template
    rule = template.physical(name)
    events = deployment.client("events")
    found = events.describe_rule(Name=rule)
    if found["State"] != "ENABLED":
        yield f"the rule is {found['State']}"
    if json.loads(found.get("EventPattern", "{}")) != template.properties(name)["EventPattern"]:
        yield "the rule's pattern differs from template.yaml"
    targets = events.list_targets_by_rule(Rule=rule)["Targets"]
    if template.arn(queue) not in [one["Arn"] for one in targets]:
        yield f"{_QUEUES[queue]} is not the rule's target"


def admits(policy: str | None, service: str, queue_arn: str, source_arn: str, account: str) -> bool:
    """Whether a queue's policy lets a service send messages over TLS on behalf of a resource.

    Raises CantTell if the policy has elements or operators that aren't evaluated here.
    """
    context = {
        "aws:sourcearn": source_arn,
        "aws:sourceaccount": account,
        "aws:securetransport": "true",
    }
    effects = {
        statement["Effect"]
        for statement in as_list(json.loads(policy or "{}").get("Statement", []))
        if _applies(statement, service, queue_arn, context)
    }
    return effects == {"Allow"}


def _applies(
    statement: dict[str, Any], service: str, queue_arn: str, context: dict[str, str]
) -> bool:
    unread = {"NotAction", "NotPrincipal", "NotResource"} & statement.keys()
    if unread:
        raise CantTell(f"a policy has {unread.pop()}, which isn't evaluated here")
    principal = statement["Principal"]
    services = as_list(principal.get("Service", [])) if isinstance(principal, dict) else []
    actions = [one.lower() for one in as_list(statement["Action"])]
    return (
        (principal in ("*", {"AWS": "*"}) or service in services)
        and any(fnmatchcase("sqs:sendmessage", one) for one in actions)
        and any(fnmatchcase(queue_arn, one) for one in as_list(statement.get("Resource", "*")))
        and all(
            _holds(operator, key, values, context)
            for operator, conditions in statement.get("Condition", {}).items()
            for key, values in conditions.items()
        )
    )


def _holds(operator: str, key: str, values: Any, context: dict[str, str]) -> bool:
    given = context.get(key.lower())
    if given is None:
        raise CantTell(f"a policy has the condition key {key}, which isn't evaluated here")
    if operator in ("StringEquals", "Bool"):
        return given in [str(one) for one in as_list(values)]
    if operator in ("StringLike", "ArnEquals", "ArnLike"):
        return any(fnmatchcase(given, one) for one in as_list(values))
    raise CantTell(f"a policy has the condition operator {operator}, which isn't evaluated here")


def _attributes(deployment: Deployment, url: str) -> dict[str, str]:
    names = ["Policy", "RedrivePolicy"]
    answer = deployment.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return dict(answer.get("Attributes", {}))
