"""The whole stack as its users see it: buckets, queues, executions and tables, accessed only with
boto3."""

import contextlib
import json
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.support.deployed import as_list
from tests.support.load_records import LoadRecords
from tests.support.reference_loads import check_success
from tests.support.report_pages import KeptPage, kept_page
from tickets import ROOT
from tickets.local.deployment import LocalStack
from tickets.local.packaging import zip_code
from tickets.runs.waiting import DeadlinePassed, polls

Found = TypeVar("Found")


def until(condition: Callable[[], Found | None], what: str, seconds: float = 60) -> Found:
    """Polls the condition and returns its first true result. Fails the test after `seconds`."""
    with contextlib.suppress(DeadlinePassed):
        for _ in polls(0.05, seconds):
            if found := condition():
                return found
    pytest.fail(f"not within {seconds:.0f} s: {what}")


@dataclass(frozen=True)
class Upload:
    bucket: str
    key: str
    version_id: str


class RunningStack(LoadRecords):
    def __init__(self, local: LocalStack) -> None:
        self.local = local
        self.names = local.stack
        super().__init__(
            local.stack.client("s3"),
            local.stack.client("dynamodb"),
            local.stack.table,
            local.stack.ledger_table,
        )
        self.sqs = local.stack.client("sqs")
        self.states = local.stack.client("stepfunctions")
        self.functions = local.stack.client("lambda")
        self.iam = local.stack.client("iam")
        self._inputs: dict[str, dict[str, Any]] = {}
        self._dead_letters: list[dict[str, Any]] = []
        self._checked: set[str] = set()

    # --- uploads and executions

    def upload(self, key: str, body: bytes) -> Upload:
        bucket = self.names.upload_bucket
        answer = self.s3.put_object(Bucket=bucket, Key=key, Body=body)
        return Upload(bucket, key, answer["VersionId"])

    def executions(self, key: str, version_id: str | None = None) -> list[str]:
        """ARNs of all executions whose input names the key (and version), the newest first."""
        pages = self.states.get_paginator("list_executions").paginate(
            stateMachineArn=self.names.state_machine_arn
        )
        arns = [one["executionArn"] for page in pages for one in page["executions"]]
        for arn in arns:
            if arn not in self._inputs:
                described = self.states.describe_execution(executionArn=arn)
                self._inputs[arn] = json.loads(described["input"])
        return [
            arn
            for arn in arns
            if self._inputs[arn]["key"] == key
            and version_id in (None, self._inputs[arn].get("version_id"))
        ]

    def execution_of(self, upload: Upload) -> str:
        """Waits for the execution that the upload starts, which must be the only one; returns its
        ARN."""
        found = until(
            lambda: self.executions(upload.key, upload.version_id), f"an execution for {upload}"
        )
        assert len(found) == 1
        return found[0]

    def start(self, name: str, given: dict[str, Any]) -> str:
        answer = self.states.start_execution(
            stateMachineArn=self.names.state_machine_arn, name=name, input=json.dumps(given)
        )
        return str(answer["executionArn"])

    def replay(self, arn: str) -> dict[str, Any]:
        """Starts a new execution `<name>-r1` with the same input. Returns its description after it
        has ended."""
        earlier = self.describe(arn)
        return self.ended(self.start(f"{earlier['name']}-r1", json.loads(earlier["input"])))

    def describe(self, arn: str) -> dict[str, Any]:
        return dict(self.states.describe_execution(executionArn=arn))

    def ended(self, arn: str, seconds: float = 90) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found = self.describe(arn)
            return None if found["status"] == "RUNNING" else found

        execution = until(look, f"the end of {arn}", seconds)
        if execution["status"] == "SUCCEEDED" and arn not in self._checked:
            self._checked.add(arn)
            output = json.loads(execution["output"])
            if output.get("result", {}).get("complete"):
                file = output["file"]
                check_success(self, output, may_differ=self._is_replaced(file))
        return execution

    def _is_replaced(self, file: Mapping[str, Any]) -> bool:
        """Whether the object has another version, which may have been loaded since."""
        versions = self.s3.list_object_versions(Bucket=file["bucket"], Prefix=file["key"])
        keys = [one["Key"] for one in versions["Versions"]]
        return keys.count(file["key"]) > 1

    def load(self, key: str, body: bytes) -> dict[str, Any]:
        """Uploads a file. Returns the description of its execution after it has ended."""
        return self.ended(self.execution_of(self.upload(key, body)))

    def history(self, arn: str) -> list[dict[str, Any]]:
        pages = self.states.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def states_entered(self, arn: str) -> list[str]:
        return [
            event["stateEnteredEventDetails"]["name"]
            for event in self.history(arn)
            if "stateEnteredEventDetails" in event
        ]

    def children(self, arn: str) -> list[dict[str, Any]]:
        """The descriptions of the child executions of all chunks."""
        runs = self.states.list_map_runs(executionArn=arn)["mapRuns"]
        return [
            self.describe(child["executionArn"])
            for run in runs
            for child in self.states.list_executions(mapRunArn=run["mapRunArn"])["executions"]
        ]

    # --- report pages

    def page(self, arn: str) -> KeptPage:
        """Waits for the page of an execution that has ended."""
        name = arn.rpartition(":")[2]
        return until(
            lambda: kept_page(self, self.names.work_bucket, name), f"the report page of {name}"
        )

    def assert_page(
        self, execution: Mapping[str, Any], heading: str, equation: str | None
    ) -> KeptPage:
        """Asserts that an execution has its page, and its whole history beside it. `execution` is
        its description."""
        page = self.page(execution["executionArn"])
        assert (page.heading, page.equation) == (heading, equation)
        assert execution["name"] in page.text
        assert json.loads(execution["input"])["key"] in page.text
        history = self.history(execution["executionArn"])
        assert [(one["id"], one["type"]) for one in page.events] == [
            (one["id"], one["type"]) for one in history
        ]
        return page

    def forget_executions(self) -> None:
        """Makes the engine delete all executions, as Step Functions does 90 days after their end.
        None may be running."""
        arn = self.names.state_machine_arn
        found = self.states.describe_state_machine(stateMachineArn=arn)
        self.states.delete_state_machine(stateMachineArn=arn)
        kept = {name: found[name] for name in ("name", "definition", "roleArn", "type")}
        assert self.states.create_state_machine(**kept)["stateMachineArn"] == arn

    # --- queues

    def dead_letters(self, arn: str) -> list[dict[str, Any]]:
        """All messages so far about one execution, from the state machine or from EventBridge."""
        self._dead_letters += map(json.loads, self.receive(self.names.failed_executions_queue_url))
        return [letter for letter in self._dead_letters if _is_about(letter, arn)]

    def all_dead_letters(self, arn: str) -> list[dict[str, Any]]:
        """Like `dead_letters`, but waits until the queue has the messages about all earlier events.
        For that it aborts an execution now and waits for its message, which is the last one."""
        sentinel = self.aborted_execution()
        until(lambda: self.dead_letters(sentinel), "the sentinel in the queue")
        return self.dead_letters(arn)

    def receive(self, url: str) -> list[str]:
        """Receives and deletes all messages that are now in a queue."""
        bodies = []
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                bodies.append(message["Body"])
        return bodies

    def received(self, url: str, count: int) -> list[str]:
        """Receives and deletes messages of a queue until there were `count` of them."""
        bodies: list[str] = []

        def look() -> bool:
            bodies.extend(self.receive(url))
            return len(bodies) >= count

        until(look, f"{count} messages in {url}")
        return bodies

    def queue_is_empty(self, url: str) -> bool:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return all(counts[name] == "0" for name in names)

    @contextlib.contextmanager
    def uploads_held(self) -> Iterator[None]:
        """Within the block, messages stay in the upload queue, because its event source mapping is
        disabled."""
        name = self.names.outputs["StartExecutionFunctionName"]
        found = self.functions.list_event_source_mappings(FunctionName=name)
        [mapping] = [one["UUID"] for one in found["EventSourceMappings"]]
        self.functions.update_event_source_mapping(UUID=mapping, Enabled=False)
        try:
            yield
        finally:
            self.functions.update_event_source_mapping(UUID=mapping, Enabled=True)

    @contextlib.contextmanager
    def failed_uploads_return_after(self, seconds: int) -> Iterator[None]:
        """Within the block, a message that failed becomes visible again after `seconds`, in place
        of the three minutes that the template sets."""
        url = self.names.upload_queue_url
        # The first call starts the function's process, which may take longer than `seconds`. Then
        # a good message would become visible again, and might end as a dead letter.
        self.sqs.send_message(QueueUrl=url, MessageBody='{"Event": "s3:TestEvent"}')
        until(lambda: self.queue_is_empty(url), "an empty upload queue")
        names = ["VisibilityTimeout"]
        before = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={names[0]: str(seconds)})
        try:
            yield
        finally:
            self.sqs.set_queue_attributes(QueueUrl=url, Attributes=before)

    def aborted_execution(self) -> str:
        """Starts an execution and stops it; returns its ARN."""
        while True:
            name = f"sentinel-{uuid.uuid4()}"
            arn = self.start(name, {"bucket": self.names.upload_bucket, "key": name})
            # The call fails if the execution has already ended by itself.
            with contextlib.suppress(self.states.exceptions.ClientError):
                self.states.stop_execution(executionArn=arn)
                return arn

    # --- roles and the definition

    def role_of(self, function: str) -> str:
        """The name of a function's role. `function` is a logical id in the template."""
        name = self.names.outputs[f"{function}FunctionName"]
        role = self.functions.get_function_configuration(FunctionName=name)["Role"]
        return str(role).rsplit("/", 1)[-1]

    def resource_of(self, function: str, sid: str, place: int) -> str:
        """The deployed ARN at index `place` of the resources of a statement."""
        _, document = self._policy(self.role_of(function), sid)
        [statement] = [one for one in document["Statement"] if one["Sid"] == sid]
        return str(as_list(statement["Resource"])[place])

    @contextlib.contextmanager
    def without_statement(self, function: str, sid: str) -> Iterator[str]:
        """Within the block, the function's role lacks one statement. Yields the role's name."""
        with self._policy_changed(function, sid, lambda statement: []) as role:
            yield role

    @contextlib.contextmanager
    def without_action(self, function: str, sid: str, action: str, place: int) -> Iterator[str]:
        """Within the block, the function's role lacks one action of a statement for one of its
        resources. Yields the role's name."""

        def left(statement: dict[str, Any]) -> list[dict[str, Any]]:
            actions, resources = as_list(statement["Action"]), as_list(statement["Resource"])
            others = [one for one in resources if one != resources[place]]
            parts = [
                ([one for one in actions if one != action], resources),
                ([action], others),
            ]
            return [
                {**statement, "Sid": f"{sid}{n}", "Action": some, "Resource": where}
                for n, (some, where) in enumerate(parts)
                if some and where
            ]

        with self._policy_changed(function, sid, left) as role:
            yield role

    @contextlib.contextmanager
    def _policy_changed(
        self, function: str, sid: str, change: Callable[[dict[str, Any]], list[dict[str, Any]]]
    ) -> Iterator[str]:
        role = self.role_of(function)
        policy, whole = self._policy(role, sid)
        left = [
            one
            for statement in whole["Statement"]
            for one in (change(statement) if statement["Sid"] == sid else [statement])
        ]
        if left:
            self._put_policy(role, policy, {**whole, "Statement": left})
        else:
            self.iam.delete_role_policy(RoleName=role, PolicyName=policy)
        try:
            yield role
        finally:
            self._put_policy(role, policy, whole)

    def _policy(self, role: str, sid: str) -> tuple[str, dict[str, Any]]:
        """The name and the document of the role's inline policy that has the statement."""
        for name in self.iam.list_role_policies(RoleName=role)["PolicyNames"]:
            policy = self.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            if any(statement["Sid"] == sid for statement in policy["Statement"]):
                return name, policy
        raise AssertionError(f"{role} has no statement {sid}")

    @contextlib.contextmanager
    def function_changed(self, function: str, **changes: Any) -> Iterator[None]:
        """Within the block, the function has another configuration.

        changes: arguments of Lambda's UpdateFunctionConfiguration. The variables of `Environment`
        are added to the existing ones.
        """
        name = self.names.outputs[f"{function}FunctionName"]
        before = self.functions.get_function_configuration(FunctionName=name)
        if "Environment" in changes:
            variables = before["Environment"]["Variables"] | changes["Environment"]["Variables"]
            changes = {**changes, "Environment": {"Variables": variables}}
        self.functions.update_function_configuration(FunctionName=name, **changes)
        try:
            yield
        finally:
            self.functions.update_function_configuration(
                FunctionName=name, **{setting: before[setting] for setting in changes}
            )

    @contextlib.contextmanager
    def code_changed(self, function: str, path: str, old: str, new: str) -> Iterator[None]:
        """Within the block, the function runs a copy of the code in which one text is replaced.

        path: the changed file, relative to `functions/`. It must contain `old` once.
        """

        def replace(code: Path) -> None:
            text = (code / path).read_text(encoding="utf-8")
            assert text.count(old) == 1, f"{path} has {old!r} {text.count(old)} times"
            (code / path).write_text(text.replace(old, new), encoding="utf-8")

        with self._runs_a_copy(function, replace):
            yield

    @contextlib.contextmanager
    def sources_added(self, declarations: Sequence[Mapping[str, Any]]) -> Iterator[None]:
        """Within the block, Validate File has these sources too. The other functions get them with
        each file."""

        def add(code: Path) -> None:
            for declaration in declarations:
                path = code / "sources" / f"{declaration['name']}.json"
                path.write_text(json.dumps(declaration), encoding="utf-8")

        with self._runs_a_copy("ValidateFile", add):
            yield

    @contextlib.contextmanager
    def definition_changed(self, change: Callable[[dict[str, Any]], None]) -> Iterator[None]:
        """Executions that start within the block run a changed copy of the deployed definition."""
        arn = self.names.state_machine_arn
        before = self.states.describe_state_machine(stateMachineArn=arn)["definition"]
        definition = json.loads(before)
        change(definition)
        self.states.update_state_machine(stateMachineArn=arn, definition=json.dumps(definition))
        try:
            yield
        finally:
            self.states.update_state_machine(stateMachineArn=arn, definition=before)

    @contextlib.contextmanager
    def _runs_a_copy(self, function: str, change: Callable[[Path], None]) -> Iterator[None]:
        """Within the block, the function runs a changed copy of functions/."""
        name = self.names.outputs[f"{function}FunctionName"]
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(shutil.copytree(ROOT / "functions", Path(folder) / "functions"))
            change(copy)
            self.functions.update_function_code(FunctionName=name, ZipFile=zip_code(copy))
        try:
            yield
        finally:
            self.functions.update_function_code(
                FunctionName=name, ZipFile=zip_code(ROOT / "functions")
            )

    def _put_policy(self, role: str, policy: str, document: dict[str, Any]) -> None:
        self.iam.put_role_policy(
            RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document)
        )


def _is_about(letter: dict[str, Any], arn: str) -> bool:
    return arn in (letter.get("execution_arn"), letter.get("detail", {}).get("executionArn"))
