"""What goes wrong ends the `tickets` command with one sentence and its exit code."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from tests.support.command_line import assert_sentence, tickets
from tickets import ROOT
from tickets.cli.errors import Terminated
from tickets.runs import connect
from tickets.runs.waiting import DeadlinePassed, polls


def client_error(code: str, message: str = "no") -> botocore.exceptions.ClientError:
    return botocore.exceptions.ClientError(
        {"Error": {"Code": code, "Message": message}}, "ListExecutions"
    )


@pytest.mark.parametrize(
    ("error", "words", "exit_code"),
    [
        (client_error("AccessDeniedException"), "don't allow ListExecutions", 2),
        (client_error("ExpiredToken"), "sign in again", 2),
        (client_error("UnrecognizedClientException"), "does not know your access key", 2),
        (client_error("Throttling"), "ListExecutions failed", 2),
        (client_error("SignatureDoesNotMatch"), "secret access key is wrong", 2),
        (client_error("RequestTimeTooSkewed"), "clock of this machine", 2),
        (client_error("AccessDenied"), "`aws sts get-caller-identity` shows whose they are", 2),
        (botocore.exceptions.NoCredentialsError(), "aws configure", 2),
        (botocore.exceptions.UnauthorizedSSOTokenError(), "run `aws sso login`", 2),
        (botocore.exceptions.SSOTokenLoadError(error_msg="none\nthere"), "run `aws sso login`", 2),
        (botocore.exceptions.LoginRefreshRequired(), "run `aws login`", 2),
        (
            botocore.exceptions.CredentialRetrievalError(provider="custom", error_msg="two\nlines"),
            "two lines. Correct the profile with `aws configure`",
            2,
        ),
        (botocore.exceptions.NoRegionError(), "pass --region REGION", 2),
        (botocore.exceptions.ProfileNotFound(profile="x"), "--profile", 2),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="http://x"), "still running", 2),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="http://x"), "still running", 2),
        (PermissionError(13, "Permission denied", "a.csv"), "a.csv: Permission denied", 2),
    ],
)
def test_foreseen_errors_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception, words: str, exit_code: int
) -> None:
    monkeypatch.setattr(connect, "find_stack", lambda *_: raise_(error))
    assert_sentence(tickets("executions"), words, exit_code)


@pytest.mark.usefixtures("alone")
def test_a_cure_names_the_profile_that_was_passed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The SSO session of the profile does not exist."""
    (tmp_path / "config").write_text(
        "[profile oncall]\nsso_session = corp\nsso_account_id = 123456789012\n"
        "sso_role_name = Reader\nregion = eu-west-1\n"
        "[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    passed = tickets("executions", "--profile", "oncall")
    assert_sentence(passed, "missing or has expired: run `aws sso login --profile oncall`.")
    monkeypatch.setattr(connect, "find_stack", lambda *_: raise_(client_error("ExpiredToken")))
    assert_sentence(
        tickets("executions", "--profile", "oncall"), "`aws sso login --profile oncall`"
    )
    assert_sentence(tickets("executions"), "`aws sso login` or")


@pytest.mark.parametrize(("stop", "exit_code"), [(KeyboardInterrupt(), 130), (Terminated(), 143)])
def test_signals_leave_without_a_word(
    monkeypatch: pytest.MonkeyPatch, stop: BaseException, exit_code: int
) -> None:
    monkeypatch.setattr(connect, "find_stack", lambda *_: raise_(stop))
    result = tickets("executions")
    assert (result.exit_code, result.output) == (exit_code, "")


def test_polling_ends_at_its_deadline() -> None:
    with pytest.raises(DeadlinePassed):
        list(polls(every=0.001, timeout=0.01))


def test_an_unforeseen_error_is_no_traceback_either(tmp_path: Path) -> None:
    result = run_main(
        "tickets.cli.sample.write_sample_to = None", "sample", str(tmp_path / "made.csv")
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("Unexpected TypeError")
    assert result.stderr.count("\n") == 1


def test_an_early_interrupt_is_quiet() -> None:
    """Ctrl-C is pressed while the command is still being imported."""
    interrupted = (
        "def load(name, *rest, load=builtins.__import__):\n"
        "    if name == 'tickets.cli.errors': os.kill(os.getpid(), signal.SIGINT)\n"
        "    return load(name, *rest)\n"
        "builtins.__import__ = load"
    )
    result = run_main(interrupted, "executions")
    assert (result.returncode, result.stderr) == (128 + signal.SIGINT, "")


def run_main(preparation: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The entry point in a process of its own."""
    code = (
        "import builtins, os, signal, tickets.cli.main, tickets.cli.sample\n"
        f"{preparation}\ntickets.cli.main.main()"
    )
    command = [sys.executable, "-c", code, *arguments]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'functions'}"}
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


def raise_(error: BaseException) -> Any:
    raise error
