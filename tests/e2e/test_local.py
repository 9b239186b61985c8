"""The local stack from outside: it is found by its name and described, or refused with a reason."""

from pathlib import Path

import boto3
import pytest

from tickets.local import deployment
from tickets.local.deployment import ARTIFACTS_BUCKET, DeploymentError, deploy, local_stack
from tickets.local.engine import Engine
from tickets.runs.stack import Stack, StackNotFound, StackNotUsable

KEYS = [
    "endpoint_url", "region", "access_key_id", "secret_access_key", "stack_name", "upload_bucket",
    "work_bucket", "table", "ledger_table", "state_machine_arn", "upload_queue_url",
    "upload_dead_letter_queue_url", "failed_executions_queue_url",
]  # fmt: skip


def session_of(description: dict[str, str]) -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=description["access_key_id"],
        aws_secret_access_key=description["secret_access_key"],
        region_name="eu-west-1",
    )


@pytest.mark.exhaustive
def test_another_process_finds_the_stack_by_its_description(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deployment, "MAX_TEMPLATE_BODY", 0)  # so by TemplateURL
    steps: list[str] = []
    with local_stack(on_step=steps.append, parameters={"TableName": "Mine"}) as running:
        description = running.description()
        assert list(description) == KEYS
        assert steps == ["Starting the engine", "Deploying the stack"]
        found = Stack.find(
            description["stack_name"],
            description["endpoint_url"],
            description["region"],
            session_of(description),
        )
        assert found == running.stack
        assert found.table == "Mine"
        assert found.client("s3") is found.client("s3")
        found.client("s3").head_bucket(Bucket=found.upload_bucket)
        with pytest.raises(StackNotFound, match="There is no stack absent in us-east-1"):
            Stack.find("absent", description["endpoint_url"], "us-east-1", session_of(description))
    with pytest.raises(StackNotUsable, match="Nothing answers at"):
        Stack.find("tickets", description["endpoint_url"], "us-east-1", session_of(description))


@pytest.mark.exhaustive
def test_a_refused_template_says_which_resource_and_why(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text("Resources: {Odd: {Type: AWS::No::Such}}")
    with Engine.start() as engine, pytest.raises(DeploymentError, match="AWS::No::Such"):
        deploy(engine, {}, template)


def test_a_stack_without_our_outputs_is_not_ours(tmp_path: Path) -> None:
    with Engine.start() as engine:
        engine.client("cloudformation").create_stack(
            StackName="other", TemplateBody="Resources: {Q: {Type: AWS::SQS::Queue}}"
        )
        with pytest.raises(StackNotUsable, match="no output UploadBucketName"):
            Stack.find("other", engine.endpoint_url, engine.region, engine.session())
        assert ARTIFACTS_BUCKET not in [
            bucket["Name"] for bucket in engine.client("s3").list_buckets()["Buckets"]
        ]
