"""`pip install .` into a new environment: the command for AWS, without a checkout."""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.support.command_line import assert_sentence, tickets
from tests.support.http_server import http_server
from tickets import ROOT
from tickets.local import prerequisites

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_version_is_that_of_pyproject() -> None:
    result = tickets("--version")
    assert (result.exit_code, result.stdout) == (0, f"tickets {PROJECT['version']}\n")


@pytest.mark.parametrize("command", [["demo", "--rows", "10"], ["local", "start"]])
@pytest.mark.usefixtures("alone")
def test_the_local_stack_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr(prerequisites, "_MODULES", ("boto3", "no_such_module"))
    assert_sentence(tickets(*command), "not installed (no_such_module): run `pip install")
    monkeypatch.setattr(prerequisites, "TEMPLATE", Path("template.yaml"))
    assert_sentence(tickets(*command), "in a checkout of the project")
    assert not Path(".tickets").exists()


def test_every_distribution_of_the_extra_is_looked_for() -> None:
    looked_for = {
        name.replace("_", "-").lower()
        for module in prerequisites._MODULES
        for name in packages_distributions()[module]
    }
    extra = {re.split("[<>=]", one)[0] for one in PROJECT["optional-dependencies"]["local"]}
    assert looked_for == extra - {"boto3"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment in which nothing but the command is installed,
    built from a copy of the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    for name in ("tickets", "functions"):
        subprocess.run(["cp", "-r", ROOT / name, folder / name], check=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    lock = ROOT / "requirements/runtime.lock"
    options = ["-q", "--no-compile", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", *options, "-c", lock, folder],
        check=True,
    )
    return python.parent


def run(programs: Path, *arguments: str, code: int, **variables: str) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "COLUMNS": "200", **variables}
    ended = subprocess.run(
        [programs / "tickets", *arguments],
        cwd=programs,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    return ended.stdout + ended.stderr


@pytest.mark.exhaustive  # builds and installs, half a minute
def test_an_installed_command_works_for_aws_without_a_checkout(installed: Path) -> None:
    site_packages = next(installed.parent.glob("lib/python*/site-packages"))
    ours = {path.name for path in site_packages.iterdir()} & {
        "tickets", "ingestion", "handlers", "tools", "tests", "ops", "functions",
    }  # fmt: skip
    assert ours == {"tickets", "ingestion"}
    assert not list(site_packages.glob("aws_lambda_powertools*"))
    assert run(installed, "--version", code=0) == f"tickets {PROJECT['version']}\n"
    for command in ("ingest", "executions", "loads", "show", "refused", "dead-letters", "replay"):
        assert "--endpoint-url" in run(installed, command, "--help", code=0)
    for needs_checkout in (["demo"], ["local", "start"]):
        assert "in a checkout of the project" in run(installed, *needs_checkout, code=2)
    (installed / "template.yaml").write_text("")
    assert "run `pip install '.[local]'`" in run(installed, "demo", code=2)


@pytest.mark.exhaustive
def test_an_installed_command_asks_the_endpoint_for_the_stack(installed: Path) -> None:
    message = "Stack with id tickets does not exist"
    error = f"<Error><Code>ValidationError</Code><Message>{message}</Message></Error>"
    with http_server() as server:
        server.answer = lambda request: (400, f"<ErrorResponse>{error}</ErrorResponse>".encode())
        said = run(
            installed,
            "executions",
            code=2,
            AWS_ENDPOINT_URL=server.url,
            AWS_DEFAULT_REGION="eu-west-1",
            AWS_ACCESS_KEY_ID="x",
            AWS_SECRET_ACCESS_KEY="x",
        )
    assert "There is no stack tickets in eu-west-1" in said
    assert b"DescribeStacks" in server.requests[0].body
