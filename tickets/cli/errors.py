"""What goes wrong while the command works, in one sentence that says what to do."""

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import botocore.exceptions
import typer

from tickets import TicketsError
from tickets.cli.terminal import sanitize
from tickets.errors import WRONG_USE, CommandError


class Terminated(BaseException):
    """SIGTERM. An exception, so that everything that was started is also ended; no `Exception`,
    so that nothing on the way mistakes it for a failure and goes on."""


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turns every foreseen error into a sentence on stderr and the command's exit code."""
    try:
        yield
    except (KeyboardInterrupt, Terminated) as stop:
        raise typer.Exit(130 if isinstance(stop, KeyboardInterrupt) else 143) from stop
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        print(sanitize(sentence), file=sys.stderr)
        code = error.exit_code if isinstance(error, CommandError) else WRONG_USE
        raise typer.Exit(code) from error


def stop_on_signals() -> None:
    """Lets SIGINT and SIGTERM end the command through its context managers.

    Only the first of them counts: a second must not interrupt the cleaning up. SIGINT is set too,
    because a shell starts its background jobs with SIGINT ignored.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def _sentence(error: Exception) -> str | None:
    """None for an error that nobody foresaw, and for a reader that went away (`| head`)."""
    match error:
        case TicketsError():
            return str(error)
        case botocore.exceptions.ClientError():
            return _refused_call(error)
        case botocore.exceptions.ProfileNotFound():
            return (
                f"{error}: `aws configure list-profiles` shows those that exist; pass one with "
                "--profile."
            ).replace("The config profile", "The AWS profile")
        case botocore.exceptions.NoCredentialsError():
            return "There are no AWS credentials: run `aws configure` or `aws sso login`."
        case botocore.exceptions.ConnectionError() | botocore.exceptions.HTTPClientError():
            return f"AWS or the local stack does not answer ({error}): is it still running?"
        case botocore.exceptions.BotoCoreError():
            return f"AWS could not be asked ({error}): check region and credentials."
        case OSError() if error.errno != errno.EPIPE:
            reason = error.strerror or str(error)
            return f"{_name(error)}: {reason}. Check the path and your rights to it."
        case _:
            return None


def _refused_call(error: botocore.exceptions.ClientError) -> str:
    code = error.response.get("Error", {}).get("Code", "")
    message = error.response.get("Error", {}).get("Message", "").rstrip(".")
    call = error.operation_name
    if "AccessDenied" in code or code in {"403", "UnauthorizedOperation"}:
        return f"Your credentials may not call {call}: ask for that permission. AWS says: {message}"
    if code in {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}:
        return "Your AWS session has expired: sign in again, for example with `aws sso login`."
    if code in {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"}:
        return "AWS does not know your access key: check AWS_PROFILE or AWS_ACCESS_KEY_ID."
    return f"{call} was refused ({code}: {message}); check what you asked for and try again."


def _name(error: OSError) -> str:
    return os.fsdecode(error.filename) if error.filename is not None else "The operating system"
