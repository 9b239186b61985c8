"""Finds the stack that a command is about, from its options, samconfig.toml and AWS's settings."""

import tomllib
from typing import Any

import boto3

from tickets import ROOT
from tickets.errors import CommandError
from tickets.runs.stack import Stack

SAMCONFIG = ROOT / "samconfig.toml"


def find_stack(
    stack_name: str | None = None,
    endpoint_url: str | None = None,
    region: str | None = None,
    profile: str | None = None,
) -> Stack:
    """The stack as it is deployed; what is None comes from samconfig.toml and from AWS's settings.

    Raises TicketsError, or botocore's ProfileNotFound.
    """
    settings = _samconfig()
    name = stack_name or settings.get("stack_name")
    if not name:
        raise CommandError("No stack is named: pass --stack-name, or set it in samconfig.toml.")
    session = boto3.Session(profile_name=profile, region_name=region)
    # Where `sam deploy --guided` went is the best guess when nothing else says a region.
    region = region or session.region_name or settings.get("region")
    return Stack.find(name, endpoint_url, region, session)


def _samconfig() -> dict[str, Any]:
    """SAM's settings for `deploy`, the global ones below them."""
    try:
        default = tomllib.loads(SAMCONFIG.read_text(encoding="utf-8")).get("default", {})
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise CommandError(f"samconfig.toml is no TOML ({error}): correct it.") from error
    return {
        **default.get("global", {}).get("parameters", {}),
        **default.get("deploy", {}).get("parameters", {}),
    }
