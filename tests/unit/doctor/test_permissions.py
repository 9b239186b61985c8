"""What IAM's simulator is asked, and what its answers mean. The engine evaluates roles as well,
tests/e2e/test_doctor.py; it has no boundaries and no organizations."""

from typing import Any

import pytest

from tests.support.stubbed_deployment import StubbedDeployment
from tickets.doctor.findings import FAILED
from tickets.doctor.permissions import needed_permissions, permissions


@pytest.mark.parametrize(
    ("detail", "cause"),
    [
        ({}, ""),
        (
            {"OrganizationsDecisionDetail": {"AllowedByOrganizations": False}},
            " by a policy of the organization",
        ),
        (
            {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}},
            " by its permissions boundary",
        ),
        ({"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": True}}, ""),
    ],
)
def test_a_denied_action_is_named_with_its_cause(detail: dict[str, Any], cause: str) -> None:
    stubbed = StubbedDeployment()
    result = {"EvalActionName": "s3:GetObject", "EvalDecision": "implicitDeny", **detail}
    allowed = {"EvalActionName": "s3:PutObject", "EvalDecision": "allowed"}
    needed = list(needed_permissions(stubbed.deployment))
    for results in ([allowed, result], *([allowed] for _ in needed[1:])):
        stubbed.answer("iam", "simulate_principal_policy", {"EvaluationResults": results})
    found = permissions(stubbed.deployment)
    assert found.status == FAILED
    # The calls run side by side, so any of them may have got this answer.
    roles, _, resource = found.detail.partition(" is denied s3:GetObject on ")
    assert roles.endswith("Role")
    assert resource.startswith("arn:") or resource == "*"
    assert resource.endswith(cause) if cause else " by " not in resource


def test_one_resource_is_asked_at_a_time_and_never_a_pattern() -> None:
    needed = list(needed_permissions(StubbedDeployment().deployment))
    assert [one.resource for one in needed if one.resource.endswith("*")] == ["*"]
    [items] = [one for one in needed if "dynamodb:BatchWriteItem" in one.actions][:1]
    assert (items.role, items.actions, items.resource) == (
        "WriteChunkRole",
        ("dynamodb:DescribeTable", "dynamodb:BatchWriteItem"),
        "arn:aws:dynamodb:eu-central-1:123456789012:table/Tickets",
    )
    children = [one.resource for one in needed if "states:RedriveExecution" in one.actions]
    assert children == [
        "arn:aws:states:eu-central-1:123456789012:execution:Ingest/WriteChunks:doctor"
    ]


def test_the_partition_of_a_readable_bucket_is_the_stacks() -> None:
    needed = needed_permissions(StubbedDeployment(ReadableBuckets="archive,older").deployment)
    versions = [one.resource for one in needed if one.actions == ("s3:ListBucketVersions",)]
    uploads = "arn:aws:s3:::ticket-uploads-123456789012-0a1b2c3d"
    others = ["arn:aws:s3:::archive", "arn:aws:s3:::older"]
    assert sorted(versions) == sorted([uploads, uploads, *others, *others])


def test_a_key_is_used_through_a_service() -> None:
    needed = list(needed_permissions(StubbedDeployment(CustomerKey="true").deployment))
    uses = {one.role: one.services for one in needed if "kms:Decrypt" in one.actions}
    assert uses["StartExecutionRole"] == ("sqs.eu-central-1.amazonaws.com",)
    assert len(uses) == 9
