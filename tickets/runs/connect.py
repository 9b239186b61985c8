"""Finds the stack that a command works on, from its options, samconfig.toml and AWS settings."""

import tomllib
from contextvars import ContextVar
from typing import Any

import boto3

from tickets import ROOT
from tickets.errors import CommandError
from tickets.runs.stack import Stack

SAMCONFIG = ROOT / "samconfig.toml"
DEFAULT_STACK_NAME = "tickets"
_DEFAULT_CONFIG_ENV = "default"
_config_env: ContextVar[str | None] = ContextVar("config_env", default=None)


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
    settings = _samconfig(_config_env.get())
    name = stack_name or settings.get("stack_name") or DEFAULT_STACK_NAME
    session = boto3.Session(profile_name=profile, region_name=region)
    # `sam deploy --guided` saves the region that it deployed to: the best guess if none is set.
    region = region or session.region_name or settings.get("region")
    return Stack.find(name, endpoint_url, region, session)


def use_config_env(name: str | None) -> None:
    """Sets the configuration environment of samconfig.toml whose settings `find_stack` uses, as
    `sam deploy --config-env` does; None for the default one."""
    _config_env.set(name)


def _samconfig(config_env: str | None) -> dict[str, Any]:
    """SAM's settings for `deploy`, which take precedence over its global ones."""
    try:
        settings = tomllib.loads(SAMCONFIG.read_text(encoding="utf-8"))
    except FileNotFoundError:
        settings = {}
    except tomllib.TOMLDecodeError as error:
        raise CommandError(f"samconfig.toml is not valid TOML ({error}): correct it.") from error
    environments = [name for name, value in settings.items() if isinstance(value, dict)]
    if config_env is not None and config_env not in environments:
        listed = ", ".join(environments) or "none"
        raise CommandError(
            f"{SAMCONFIG} has no configuration environment {config_env} (it has: {listed}): make "
            f"it with `sam deploy --guided --config-env {config_env}`."
        )
    environment = settings.get(config_env or _DEFAULT_CONFIG_ENV, {})
    return {
        **environment.get("global", {}).get("parameters", {}),
        **environment.get("deploy", {}).get("parameters", {}),
    }
