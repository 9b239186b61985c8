"""`tickets local env` finds the local stacks that this user has started."""

import json
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.command_line import assert_sentence, tickets
from tickets.local.running import note_running

DESCRIPTION = {
    "endpoint_url": "http://127.0.0.1:4566",
    "region": "us-east-1",
    "access_key_id": "test",
    "secret_access_key": "te'st; touch pwned",
    "stack_name": "tickets",
}


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def start(folder: Path, port: int) -> None:
    folder.mkdir()
    note_running(folder, {**DESCRIPTION, "endpoint_url": f"http://127.0.0.1:{port}"})


def test_the_settings_are_those_of_a_shell(temporary: Path) -> None:
    start(temporary / "tickets-a", 4566)
    result = tickets("local", "env")
    assert result.exit_code == 0
    script = (
        "AWS_PROFILE=mine AWS_SESSION_TOKEN=old\nexport AWS_PROFILE AWS_SESSION_TOKEN\n"
        f"{result.stdout}\nenv -0"
    )
    ran = subprocess.run(
        ["sh", "-c", script], cwd=temporary, env={"PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    variables = dict(one.split("=", 1) for one in ran.stdout.split("\0") if one)
    assert {name: variables[name] for name in variables if name.startswith(("AWS", "TICK"))} == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "te'st; touch pwned",
        "TICKETS_STACK_NAME": "tickets",
    }
    assert not (temporary / "pwned").exists()


def test_one_of_several_is_named_by_its_port(temporary: Path) -> None:
    start(temporary / "tickets-a", 4566)
    start(temporary / "tickets-b", 14566)
    assert_sentence(tickets("local", "env"), "pass --port, one of 14566, 4566")
    result = tickets("local", "env", "--port", "4566", "--json")
    assert json.loads(result.stdout)["endpoint_url"] == "http://127.0.0.1:4566"
    assert_sentence(tickets("local", "env", "--port", "4567"), "local start --port 4567`")


def test_without_a_stack_it_says_how_to_start_one(temporary: Path) -> None:
    (temporary / "tickets-starting").mkdir()
    assert_sentence(tickets("local", "env"), "start one with `tickets local start`")


def test_a_link_to_a_file_of_somebody_else_is_not_read(temporary: Path) -> None:
    start(temporary / "elsewhere", 4566)
    (temporary / "tickets-link").symlink_to(temporary / "elsewhere")
    (temporary / "tickets-file").mkdir()
    (temporary / "tickets-file/local-stack.json").symlink_to(
        temporary / "elsewhere/local-stack.json"
    )
    assert_sentence(tickets("local", "env"), "No local stack is running")
