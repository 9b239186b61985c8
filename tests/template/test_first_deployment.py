"""The first deployment on a new account: it fits the account's quotas, and a failed one can be repeated.

A new account may run 10 Lambda functions at a time, and none of them can be reserved. The embedded
engine has no quotas, so this is where it is proved.
"""

import pytest

from tests.support.deployed import deploy, transformed

KEPT = ["Key", "LedgerTable", "Table", "UploadBucket", "WorkBucket"]


@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept_is_deleted_if_the_deployment_that_creates_it_fails(name: str) -> None:
    """With `Retain` it would be left behind, and the next attempt would fail because it exists."""
    resource = transformed()["Resources"][name]
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resource["UpdateReplacePolicy"] == "Retain"


def test_nothing_else_is_kept() -> None:
    stack = deploy(CustomerKey="true")
    policies = {
        name: (one.get("DeletionPolicy", "Delete"), one.get("UpdateReplacePolicy", "Delete"))
        for name, one in stack.resources.items()
    }
    assert sorted(name for name, both in policies.items() if both != ("Delete", "Delete")) == KEPT
