"""`sam validate`, `sam build` and `sam deploy` need no flags."""

import tomllib
from typing import Any

from tests.support.deployed import ROOT

CONFIG: dict[str, Any] = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))


def parameters(command: str) -> dict[str, Any]:
    return dict(CONFIG["default"][command]["parameters"])


def test_a_deployment_may_make_roles_and_asks_before_it_changes_anything() -> None:
    deploy = parameters("deploy")
    assert deploy["capabilities"] == "CAPABILITY_IAM"
    assert deploy["confirm_changeset"] is True
    assert deploy["resolve_s3"] is True
    assert parameters("global")["stack_name"] == "tickets"


def test_everything_deployed_is_tagged() -> None:
    """CloudFormation puts a stack's tags on every resource that can have them."""
    assert parameters("deploy")["tags"] == "application=tickets"


def test_the_template_is_linted_when_it_is_validated() -> None:
    assert parameters("validate")["lint"] is True


def test_no_region_is_committed() -> None:
    """`make deploy` asks for it as long as there is none."""
    assert "region" not in str(CONFIG)
