"""Runs the checks of a deployed stack."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import botocore.exceptions

from tickets.doctor import alarms, capacity, code, events, permissions, storage
from tickets.doctor.deployment import Deployment, seconds_ahead
from tickets.doctor.findings import (
    FAILED,
    UNDO,
    UNKNOWN,
    CantTell,
    Finding,
    Verdict,
    failed,
    ok,
    unknown,
    warning,
)
from tickets.doctor.template import NotDeployed
from tickets.runs.stack import Stack, StackError

Check = Callable[[Deployment], Verdict]

_GOOD_STATUSES = ("CREATE_COMPLETE", "IMPORT_COMPLETE", "UPDATE_COMPLETE")
# AWS refuses requests whose time differs by five minutes.
_MAX_SECONDS_AHEAD = 300
_MANY_SECONDS_AHEAD = 30
_PARALLEL_CHECKS = 8

CALLS = {
    "DescribeAlarms": "cloudwatch:DescribeAlarms",
    "DescribeContinuousBackups": "dynamodb:DescribeContinuousBackups",
    "DescribeKey": "kms:DescribeKey",
    "DescribeRule": "events:DescribeRule",
    "DescribeStacks": "cloudformation:DescribeStacks",
    "DescribeStateMachine": "states:DescribeStateMachine",
    "DescribeTable": "dynamodb:DescribeTable",
    "DescribeTimeToLive": "dynamodb:DescribeTimeToLive",
    "GetAccountSettings": "lambda:GetAccountSettings",
    "GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "GetBucketVersioning": "s3:GetBucketVersioning",
    "GetFunction": "lambda:GetFunction",
    "GetQueueAttributes": "sqs:GetQueueAttributes",
    "ListEventSourceMappings": "lambda:ListEventSourceMappings",
    "ListStackResources": "cloudformation:ListStackResources",
    "ListSubscriptionsByTopic": "sns:ListSubscriptionsByTopic",
    "ListTargetsByRule": "events:ListTargetsByRule",
    "SimulatePrincipalPolicy": "iam:SimulatePrincipalPolicy",
}
"""The calls of all checks, with the permission that each needs. docs/operations.md lists them."""

_DENIED = ("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation")
_THROTTLED = ("Throttling", "ThrottlingException", "TooManyRequestsException", "SlowDown")
_SIGN_IN = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")


def clock(deployment: Deployment) -> Verdict:
    return _clock(deployment.seconds_ahead)


def stack(deployment: Deployment) -> Verdict:
    """Whether the stack's last deployment succeeded, and has the outputs of this checkout."""
    status = deployment.status
    if status == "UPDATE_ROLLBACK_COMPLETE":
        return warning(
            f"{status}: the last update failed, and the version before it is deployed",
            f"aws cloudformation describe-stack-events --stack-name {deployment.stack.name}",
        )
    if status.endswith("_IN_PROGRESS"):
        return warning(f"{status}: the findings may be outdated", "run it again afterwards")
    if status not in _GOOD_STATUSES:
        return failed(
            status, f"aws cloudformation describe-stack-events --stack-name {deployment.stack.name}"
        )
    names = deployment.template.outputs()
    missing = [name for name in names if name not in deployment.stack.outputs]
    if missing:
        return failed(f"{status}, without the output {', '.join(missing)}", code.DEPLOY)
    return ok(f"{status}, with all {len(names)} outputs")


CHECKS: dict[str, Check] = {
    "clock": clock,
    "stack": stack,
    "definition": code.definition,
    "code": code.code,
    "functions": code.functions,
    "permissions": permissions.permissions,
    "upload notification": events.upload_notification,
    "upload queue": events.upload_queue,
    "event source": events.event_source,
    "uncaught endings": events.uncaught_endings,
    "report pages": events.report_pages,
    "concurrency": capacity.concurrency,
    "table": storage.table,
    "throughput": capacity.throughput,
    "ledger": storage.ledger,
    "encryption": storage.encryption,
    "backups": storage.backups,
    "alarms": alarms.alarms,
    "alarm topic": alarms.alarm_topic,
    "ringing alarms": alarms.ringing,
    "dead letters": alarms.dead_letters,
}


def diagnose(find_stack: Callable[[], Stack]) -> Iterator[Finding]:
    """Finds the stack and yields the findings of all checks, in order, as soon as each is known.

    If there is no usable stack, the only findings are that, and the clock if AWS's time is known: a
    wrong clock makes AWS refuse requests. Raises botocore's errors if the stack's resources can't
    be listed.
    """
    try:
        found = find_stack()
    except StackError as error:
        if isinstance(error.__cause__, botocore.exceptions.ClientError):
            yield _finding("clock", _clock(seconds_ahead(error.__cause__.response)))
        yield Finding("stack", FAILED, str(error), None)
        return
    deployment = Deployment.read(found)
    with contextlib.suppress(CantTell):
        deployment.template  # noqa: B018 - parsed here, once, and not by each thread
    with ThreadPoolExecutor(_PARALLEL_CHECKS) as pool:
        running = {name: pool.submit(run, check, deployment) for name, check in CHECKS.items()}
        for name, future in running.items():
            yield _finding(name, future.result())


def run(check: Check, deployment: Deployment) -> Verdict:
    """Runs a check. A call that fails is a verdict as well."""
    try:
        return check(deployment)
    except CantTell as reason:
        return unknown(reason.detail, reason.next_step)
    except NotDeployed as missing:
        return failed(f"the stack has no resource {missing}, which this checkout has", code.DEPLOY)
    except botocore.exceptions.ClientError as error:
        return _failed_call(error)
    except botocore.exceptions.BotoCoreError as error:
        return unknown(f"there was no answer ({error})", "run it again")


def _failed_call(error: botocore.exceptions.ClientError) -> Verdict:
    call = error.operation_name
    reason = error.response.get("Error", {}).get("Code", "")
    message = error.response.get("Error", {}).get("Message", "").rstrip(".")
    if reason in _DENIED:
        permission = CALLS.get(call, call)
        return unknown(f"your credentials don't allow {permission}", f"allow {permission}")
    if reason in _THROTTLED:
        return unknown(f"{call} was throttled", "run it again")
    if reason in _SIGN_IN:
        return unknown("your AWS session has expired", "sign in again")
    return failed(f"{call} failed ({reason}: {message})", UNDO)


def _clock(ahead: float | None) -> Verdict:
    if ahead is None:
        return Verdict(UNKNOWN, "the response had no date")
    text = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} AWS"
    set_it = "set this machine's clock, for example with NTP"
    if abs(ahead) > _MAX_SECONDS_AHEAD:
        return failed(f"{text}: AWS refuses requests from {_MAX_SECONDS_AHEAD} s on", set_it)
    if abs(ahead) > _MANY_SECONDS_AHEAD:
        return warning(f"{text}, so --since and shown times are off", set_it)
    return ok(f"within {_MANY_SECONDS_AHEAD} s of AWS")


def _finding(name: str, found: Verdict) -> Finding:
    return Finding(name, found.status, found.detail, found.next)
