"""How every command shows its help, and the option that all commands of a stack have."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

from tickets.cli.errors import one_sentence
from tickets.cli.next_step import repeated
from tickets.cli.options import STACK_PANEL
from tickets.runs.connect import use_config_env

ConfigEnv = Annotated[
    str | None,
    typer.Option(
        "--config-env",
        metavar="NAME",
        help="Environment of samconfig.toml that names stack and region. Default: default.",
        callback=repeated,
        rich_help_panel=STACK_PANEL,
    ),
]


class Command(TyperCommand):
    """A command whose help shows what to write: no types of flags and arguments."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types(super().get_params(ctx))


class Group(TyperGroup):
    """A group of commands. Reports the errors of all of them as one sentence."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types(super().get_params(ctx))

    def invoke(self, ctx: Any) -> Any:
        with one_sentence():
            return super().invoke(ctx)


def with_config_env(command: Callable[..., None]) -> Callable[..., None]:
    """Adds --config-env to a command that has --stack-name; returns any other as it is."""
    signature = inspect.signature(command)
    if "stack_name" not in signature.parameters:
        return command

    @functools.wraps(command)
    def configured(config_env: str | None = None, **arguments: Any) -> None:
        use_config_env(config_env)
        command(**arguments)

    option = inspect.Parameter(
        "config_env", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=ConfigEnv
    )
    parameters = [*signature.parameters.values(), option]
    configured.__dict__["__signature__"] = signature.replace(parameters=parameters)
    configured.__annotations__ = {**command.__annotations__, "config_env": ConfigEnv}
    return configured


def _without_types(params: list[Any]) -> list[Any]:
    """Typer shows `<bool>` after a flag, and `<list[str]>` after FILE..."""
    for param in params:
        if isinstance(param, TyperArgument):
            vars(param)["display_type_rich"] = _nothing
        elif param.is_flag:
            param.metavar = ""
        elif param.metavar is None:
            param.metavar = _METAVARS.get(param.type_descriptor.annotation, "TEXT")
    return params


_METAVARS = {int: "NUMBER", float: "NUMBER", Path: "PATH"}


def _nothing(ctx: Any) -> None:
    return None
