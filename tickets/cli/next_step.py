"""Builds the complete commands that the output names as next steps, ready to be pasted."""

import shlex

import typer

from tickets.runs.stack import Stack

_passed: dict[str, str] = {}
"""The options that were passed to this command and have to be repeated, with their values."""


def repeated(context: typer.Context, param: typer.CallbackParam, value: str | None) -> str | None:
    """Callback of an option that says which stack is meant. Notes whether it was passed to the
    command: a value from the environment applies to the next command as well."""
    name = str(param.name)
    source = context.get_parameter_source(name)
    if value is not None and source is not None and source.name == "COMMANDLINE":
        _passed[name] = value
    else:
        _passed.pop(name, None)
    return value


def passed(name: str) -> str | None:
    """The value of an option such as `profile` on the command line; None if it comes from
    elsewhere, or is not set."""
    return _passed.get(name)


def next_step(stack: Stack, *words: str) -> str:
    """`next: tickets WORD ...`, to be printed as a line of its own; see `command_line`."""
    return f"next: {command_line(stack, *words)}"


def command_line(stack: Stack, *words: str) -> str:
    """`tickets WORD ...`, quoted for a shell, with those options of this command that find the same
    stack."""
    values = {
        "stack_name": stack.name,
        "endpoint_url": stack.endpoint_url,
        "region": stack.region,
        "profile": stack.session.profile_name,
        "config_env": passed("config_env"),
    }
    options = [
        part
        for name, value in values.items()
        if value and name in _passed
        for part in (f"--{name.replace('_', '-')}", value)
    ]
    return shlex.join(["tickets", *words, *options])
