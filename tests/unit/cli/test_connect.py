"""Which stack a command finds, and with whose credentials."""

import datetime
import sys
from pathlib import Path

import boto3
import pytest

from tests.support.command_line import assert_sentence, tickets
from tests.support.http_server import Request, http_server
from tickets.runs import connect
from tickets.runs.stack import REQUIRED_OUTPUTS, Stack

pytestmark = pytest.mark.usefixtures("alone")

CONFIG = """
[default.global.parameters]
stack_name = "shop"
[staging.deploy.parameters]
stack_name = "shop-staging"
region = "eu-north-1"
"""


@pytest.fixture
def samconfig(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sam.toml").write_text(CONFIG)
    monkeypatch.setattr(connect, "SAMCONFIG", tmp_path / "sam.toml")


@pytest.mark.usefixtures("samconfig", "deployed")
def test_config_env_names_stack_and_region(monkeypatch: pytest.MonkeyPatch) -> None:
    in_region = ("--region", "eu-west-1")
    assert_sentence(tickets("executions", "--config-env", "staging"), "shop-staging in eu-north-1")
    assert_sentence(tickets("executions", *in_region), "no stack shop in eu-west-1")
    monkeypatch.setenv("TICKETS_STACK_NAME", "mine")
    assert_sentence(tickets("executions", *in_region), "no stack mine in")
    assert_sentence(tickets("executions", "--config-env", "staging"), "no stack mine in eu-north-1")
    named = tickets("executions", "--stack-name", "other", *in_region)
    assert_sentence(named, "no stack other in")


@pytest.mark.usefixtures("samconfig")
def test_an_unknown_config_env_is_refused_with_the_known_ones() -> None:
    result = tickets("executions", "--config-env", "prod")
    assert_sentence(result, "no configuration environment prod (it has: default, staging)")


def test_every_command_of_a_stack_has_config_env() -> None:
    for command in ("ingest", "executions", "loads", "show", "refused", "audit", "query", "replay"):
        assert "--config-env" in tickets(command, "--help").stdout, command
    for command in ("sample", "check"):
        assert "--config-env" not in tickets(command, "--help").stdout, command


def test_credentials_are_renewed_in_another_region_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each run of the profile's program returns another access key, which expires so soon that
    botocore asks for the next one before every call."""
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5)
    program = tmp_path / "keys.py"
    program.write_text(
        "import json, pathlib\n"
        f"runs = pathlib.Path({str(tmp_path / 'runs')!r})\n"
        "n = len(runs.read_text()) if runs.exists() else 0\n"
        "runs.write_text('x' * (n + 1))\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'KEY{n}', 'SecretAccessKey': 's',"
        f" 'SessionToken': 't', 'Expiration': {soon.isoformat()!r}}}))\n"
    )
    (tmp_path / "config").write_text(
        f"[profile renewed]\ncredential_process = {sys.executable} {program}\nregion = eu-west-1\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    outputs = "".join(
        f"<member><OutputKey>{name}</OutputKey><OutputValue>a:b</OutputValue></member>"
        for name in REQUIRED_OUTPUTS
    )
    stack = (
        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member>"
        f"<StackName>tickets</StackName><StackStatus>CREATE_COMPLETE</StackStatus>"
        f"<Outputs>{outputs}</Outputs></member></Stacks></DescribeStacksResult>"
        "</DescribeStacksResponse>"
    )

    def answer(request: Request) -> tuple[int, bytes]:
        return 200, stack.encode() if b"DescribeStacks" in request.body else b"{}"

    with http_server() as server:
        server.answer = answer
        found = Stack.find(
            "tickets", server.url, "eu-central-1", boto3.Session(profile_name="renewed")
        )
        tables = found.client("dynamodb")
        tables.list_tables()
        tables.list_tables()
    signed = [
        str(request.header("Authorization")).split("Credential=")[1] for request in server.requests
    ]
    keys, regions = zip(*((one.split("/")[0], one.split("/")[2]) for one in signed), strict=True)
    assert set(regions) == {"eu-central-1"}
    assert len(set(keys)) == 3
