"""A next step is one command that can be pasted, and finds the same stack."""

import shlex
from typing import Annotated, Any

import boto3
import pytest
import typer
from typer.testing import CliRunner

from tickets.cli.next_step import next_step
from tickets.cli.options import EndpointUrl, Profile, Region, StackName
from tickets.runs.stack import Stack

pytestmark = pytest.mark.usefixtures("alone")

app = typer.Typer()


class _Session:
    """The part of a session that is read, since there is no profile of that name here."""

    profile_name = "on call"


@app.command()
def _print(
    word: Annotated[str, typer.Argument()],
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    session: Any = _Session() if profile else boto3.Session()
    stack = Stack(stack_name or "tickets", region or "eu-west-1", {}, session, endpoint_url)
    print(next_step(stack, "show", word))


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_options_that_were_passed_are_repeated_and_quoted() -> None:
    options = ["--stack-name", "other", "--region", "eu-west-3", "--profile", "on call"]
    assert printed("a", *options) == (
        "next: tickets show a --stack-name other --region eu-west-3 --profile 'on call'\n"
    )
    assert printed("it's; rm *") == "next: tickets show 'it'\"'\"'s; rm *'\n", "nothing is kept"
    assert shlex.split(printed("it's; rm *"))[1:] == ["tickets", "show", "it's; rm *"]


def test_what_the_environment_says_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert printed("a") == "next: tickets show a\n"
    assert printed("a", "--endpoint-url", "http://127.0.0.1:4567") == (
        "next: tickets show a --endpoint-url http://127.0.0.1:4567\n"
    )
