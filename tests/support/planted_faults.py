"""Faults of a deployed stack, each planted for the time of a block and removed afterwards."""

import contextlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from tests.support.running_stack import RunningStack
from tickets.local.deployment import ARTIFACTS_BUCKET

TOPIC = "arn:aws:sns:us-east-1:000000000000:alarms"
"""What an alarm of the stack notifies."""

Plant = Callable[[RunningStack], AbstractContextManager[object]]


def physical(stack: RunningStack, name: str) -> str:
    answer = stack.names.client("cloudformation").describe_stack_resource(
        StackName=stack.names.name, LogicalResourceId=name
    )
    return str(answer["StackResourceDetail"]["PhysicalResourceId"])


def queue_arn(stack: RunningStack, url: str) -> str:
    answer = stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])


def definition_changed(stack: RunningStack) -> AbstractContextManager[None]:
    def change(definition: dict[str, Any]) -> None:
        definition["States"]["Write Chunks"]["MaxConcurrency"] = 7

    return stack.definition_changed(change)


def code(change: Callable[[dict[str, bytes]], None]) -> Plant:
    """Other files in the deployed code of Reconcile."""

    @contextlib.contextmanager
    def plant(stack: RunningStack) -> Iterator[None]:
        name = stack.names.outputs["ReconcileFunctionName"]
        packages = stack.s3.list_objects_v2(Bucket=ARTIFACTS_BUCKET, Prefix="functions/")
        [key] = [one["Key"] for one in packages["Contents"]]
        location = {"S3Bucket": ARTIFACTS_BUCKET, "S3Key": key}
        body = stack.s3.get_object(Bucket=location["S3Bucket"], Key=key)["Body"].read()
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            files = {one: archive.read(one) for one in archive.namelist()}
        change(files)
        changed = io.BytesIO()
        with zipfile.ZipFile(changed, "w") as archive:
            for file, content in files.items():
                archive.writestr(file, content)
        stack.functions.update_function_code(FunctionName=name, ZipFile=changed.getvalue())
        try:
            yield
        finally:
            stack.functions.update_function_code(FunctionName=name, **location)

    return plant


def file_edited(files: dict[str, bytes]) -> None:
    files["ingestion/errors.py"] += b"\n"


def file_added(files: dict[str, bytes]) -> None:
    files["ingestion/tasks/another.py"] = b""


def file_removed(files: dict[str, bytes]) -> None:
    del files["handlers/reconcile.py"]


def variable_changed(stack: RunningStack) -> AbstractContextManager[None]:
    variables = {"MAX_ROWS_PER_SECOND": "9"}
    return stack.function_changed("WriteChunk", Environment={"Variables": variables})


def timeout_changed(stack: RunningStack) -> AbstractContextManager[None]:
    return stack.function_changed("WriteChunk", Timeout=30)


@contextlib.contextmanager
def function_stopped(stack: RunningStack) -> Iterator[None]:
    name = stack.names.outputs["StartExecutionFunctionName"]
    stack.functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        yield
    finally:
        stack.functions.delete_function_concurrency(FunctionName=name)


def action_missing(stack: RunningStack) -> AbstractContextManager[str]:
    return stack.without_action("WriteChunk", "WriteItems", "dynamodb:BatchWriteItem", 0)


@contextlib.contextmanager
def action_denied(stack: RunningStack) -> Iterator[None]:
    role = physical(stack, "IngestRole")
    statement = {"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    stack.iam.put_role_policy(RoleName=role, PolicyName="deny", PolicyDocument=document)
    try:
        yield
    finally:
        stack.iam.delete_role_policy(RoleName=role, PolicyName="deny")


def notification(change: Callable[[dict[str, Any]], None]) -> Plant:
    @contextlib.contextmanager
    def plant(stack: RunningStack) -> Iterator[None]:
        def put(configuration: dict[str, Any]) -> None:
            stack.s3.put_bucket_notification_configuration(
                Bucket=stack.names.upload_bucket,
                NotificationConfiguration=configuration,
                SkipDestinationValidation=True,
            )

        answer = stack.s3.get_bucket_notification_configuration(Bucket=stack.names.upload_bucket)
        before = {"QueueConfigurations": answer["QueueConfigurations"]}
        changed: dict[str, Any] = json.loads(json.dumps(before))
        change(changed)
        put(changed)
        try:
            yield
        finally:
            put(before)

    return plant


def gzip_left_out(configuration: dict[str, Any]) -> None:
    configuration["QueueConfigurations"] = [
        one
        for one in configuration["QueueConfigurations"]
        if one["Filter"]["Key"]["FilterRules"][0]["Value"] != ".csv.gz"
    ]


def one_folder_only(configuration: dict[str, Any]) -> None:
    for one in configuration["QueueConfigurations"]:
        one["Filter"]["Key"]["FilterRules"].append({"Name": "prefix", "Value": "shops/"})


def attribute(queue: str, **attributes: str) -> Plant:
    @contextlib.contextmanager
    def plant(stack: RunningStack) -> Iterator[None]:
        url = stack.names.outputs[queue]
        answer = stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(attributes))
        stack.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
        try:
            yield
        finally:
            stack.sqs.set_queue_attributes(QueueUrl=url, Attributes=answer["Attributes"])

    return plant


def event_source(function: str = "StartExecution", **changes: Any) -> Plant:
    @contextlib.contextmanager
    def plant(stack: RunningStack) -> Iterator[None]:
        name = stack.names.outputs[f"{function}FunctionName"]
        answer = stack.functions.list_event_source_mappings(FunctionName=name)
        [found] = answer["EventSourceMappings"]
        good = {
            "Enabled": True,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "ScalingConfig": {"MaximumConcurrency": 2},
        }
        stack.functions.update_event_source_mapping(UUID=found["UUID"], **changes)
        try:
            yield
        finally:
            before = {setting: good[setting] for setting in changes}
            stack.functions.update_event_source_mapping(UUID=found["UUID"], **before)

    return plant


def rule_disabled(name: str) -> Plant:
    @contextlib.contextmanager
    def plant(stack: RunningStack) -> Iterator[None]:
        events, rule = stack.names.client("events"), physical(stack, name)
        events.disable_rule(Name=rule)
        try:
            yield
        finally:
            events.enable_rule(Name=rule)

    return plant


def rule_changed(name: str) -> Plant:
    @contextlib.contextmanager
    def plant(stack: RunningStack) -> Iterator[None]:
        events, rule = stack.names.client("events"), physical(stack, name)
        before = events.describe_rule(Name=rule)["EventPattern"]
        events.put_rule(Name=rule, EventPattern='{"source": ["aws.states"]}')
        try:
            yield
        finally:
            events.put_rule(Name=rule, EventPattern=before)

    return plant


def target_removed(name: str) -> Plant:
    @contextlib.contextmanager
    def plant(stack: RunningStack) -> Iterator[None]:
        events, rule = stack.names.client("events"), physical(stack, name)
        targets = events.list_targets_by_rule(Rule=rule)["Targets"]
        events.remove_targets(Rule=rule, Ids=[one["Id"] for one in targets])
        try:
            yield
        finally:
            events.put_targets(Rule=rule, Targets=targets)

    return plant


@contextlib.contextmanager
def versions_suspended(stack: RunningStack) -> Iterator[None]:
    def put(status: str) -> None:
        stack.s3.put_bucket_versioning(
            Bucket=stack.names.upload_bucket, VersioningConfiguration={"Status": status}
        )

    put("Suspended")
    try:
        yield
    finally:
        put("Enabled")


def alarm(change: Callable[[Any, dict[str, Any]], None]) -> Plant:
    """Another LoadsFailedAlarm."""

    @contextlib.contextmanager
    def plant(stack: RunningStack) -> Iterator[None]:
        cloudwatch, name = stack.names.client("cloudwatch"), physical(stack, "LoadsFailedAlarm")
        [before] = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        accepted = cloudwatch.meta.service_model.operation_model("PutMetricAlarm").input_shape
        kept = {setting: before[setting] for setting in accepted.members if setting in before}
        change(cloudwatch, dict(kept))
        try:
            yield
        finally:
            cloudwatch.put_metric_alarm(**kept)
            cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="test")

    return plant


def deleted(cloudwatch: Any, found: dict[str, Any]) -> None:
    cloudwatch.delete_alarms(AlarmNames=[found["AlarmName"]])


def actions_disabled(cloudwatch: Any, found: dict[str, Any]) -> None:
    cloudwatch.disable_alarm_actions(AlarmNames=[found["AlarmName"]])


def actions_removed(cloudwatch: Any, found: dict[str, Any]) -> None:
    cloudwatch.put_metric_alarm(**{**found, "AlarmActions": []})


def in_alarm(cloudwatch: Any, found: dict[str, Any]) -> None:
    cloudwatch.set_alarm_state(AlarmName=found["AlarmName"], StateValue="ALARM", StateReason="test")


@contextlib.contextmanager
def subscription_removed(stack: RunningStack) -> Iterator[None]:
    sns = stack.names.client("sns")
    [found] = sns.list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]
    sns.unsubscribe(SubscriptionArn=found["SubscriptionArn"])
    try:
        yield
    finally:
        sns.subscribe(TopicArn=TOPIC, Protocol=found["Protocol"], Endpoint=found["Endpoint"])


def message(queue: str) -> Plant:
    @contextlib.contextmanager
    def plant(stack: RunningStack) -> Iterator[None]:
        url = stack.names.outputs[queue]
        stack.sqs.send_message(QueueUrl=url, MessageBody="{}")
        try:
            yield
        finally:
            stack.received(url, 1)

    return plant
