"""Which findings are accepted, tested without running the linters."""

from tests.gates.linters import VARIANTS, Finding, Suppression, complaints, policies, suppressions
from tests.support.deployed import deploy

FINDING = Finding("CKV_1", "default", "UploadBucket", "a detail", "A bucket is open")


def forgiven(**changes: object) -> Suppression:
    return Suppression(**{"id": "CKV_1", "resources": ["Upload*"], "reason": "R", **changes})  # type: ignore[arg-type]


def test_a_finding_without_a_suppression_is_reported() -> None:
    assert complaints([FINDING], []) == [
        "CKV_1 UploadBucket (default): A bucket is open. a detail",
    ]


def test_a_finding_is_suppressed_by_rule_resource_variant_and_detail() -> None:
    assert complaints([FINDING], [forgiven()]) == []
    assert complaints([FINDING], [forgiven(variant="default", detail="a detail")]) == []
    for change in (
        {"id": "CKV_2"},
        {"resources": ["WorkBucket"]},
        {"variant": "customer-key"},
        {"detail": "another detail"},
    ):
        found = complaints([FINDING], [forgiven(**change)])
        assert len(found) == 2, change  # the finding, and a suppression that is not needed
        assert found[0].startswith("CKV_1 UploadBucket")
        assert found[1].startswith("suppressions.toml has an entry that is no longer needed: ")


def test_every_suppression_has_a_reason() -> None:
    for linter in ("checkov", "parliament"):
        for one in suppressions(linter):
            assert one.variant in (None, *VARIANTS), one
            assert one.reason == "As above." or len(one.reason) > 60, one


def test_every_policy_of_the_stack_is_looked_at() -> None:
    """Counted in the text of the template: each policy says its version once."""
    stack = deploy(CustomerKey="true")
    looked_at = [name for name, _ in policies(stack)]
    kinds = {stack.resources[name]["Type"] for name in looked_at}
    assert kinds == {
        "AWS::IAM::Role",
        "AWS::IAM::Policy",
        "AWS::S3::BucketPolicy",
        "AWS::SQS::QueuePolicy",
        "AWS::KMS::Key",
    }
    trusts = len(stack.of_type("AWS::IAM::Role"))
    assert len(looked_at) == str(stack.resources).count("'Version': '2012-10-17'") - trusts
