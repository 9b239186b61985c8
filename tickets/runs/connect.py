"""Finds the stack that a command works on, from its options, samconfig.toml and AWS settings."""

import tomllib
from typing import Any

import boto3

from tickets import ROOT
from tickets.errors import CommandError
from tickets.runs.stack import Stack

SAMCONFIG = ROOT / "samconfig.toml"
DEFAULT_STACK_NAME = "tickets"


def find_stack(
    stack_name: str | None = None,
    endpoint_url: str | None = None,
    region: str | None = None,
    profile: str | None = None,
) -> Stack:
    """Looks the deployed stack up. Values that are None come from samconfig.toml and from the AWS
    settings.

    Raises TicketsError, or botocore's ProfileNotFound.
    """
    settings = _samconfig()
    name = stack_name or settings.get("stack_name") or DEFAULT_STACK_NAME
    session = boto3.Session(profile_name=profile, region_name=region)
    # `sam deploy --guided` saves the region that it deployed to: the best guess if none is set.
    region = region or session.region_name or settings.get("region")
    return Stack.find(name, endpoint_url, region, session)


def _samconfig() -> dict[str, Any]:
    """SAM's settings for `deploy`, which take precedence over its global ones."""
    try:
        default = tomllib.loads(SAMCONFIG.read_text(encoding="utf-8")).get("default", {})
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise CommandError(f"samconfig.toml is not valid TOML ({error}): correct it.") from error
    return {
        **default.get("global", {}).get("parameters", {}),
        **default.get("deploy", {}).get("parameters", {}),
    }
