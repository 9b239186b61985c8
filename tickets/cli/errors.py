"""Turns errors and signals into one sentence on standard error and an exit code."""

import errno
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import botocore.exceptions
import typer

from tickets.cli.console import print_error
from tickets.cli.next_step import passed
from tickets.errors import WRONG_USE, CommandError, TicketsError
from tickets.runs.aws_errors import cure


class Terminated(BaseException):
    """Raised on SIGTERM, so that context managers clean up. Like KeyboardInterrupt it is not an
    `Exception`, so that no handler of errors catches it."""


@contextmanager
def one_sentence() -> Iterator[None]:
    """Prints an expected error as a sentence and exits with its code. Other errors pass through."""
    try:
        yield
    except (KeyboardInterrupt, Terminated) as stop:
        raise typer.Exit(130 if isinstance(stop, KeyboardInterrupt) else 143) from stop
    except Exception as error:
        words = sentence(error)
        if words is None:
            raise
        print_error(words)
        code = error.exit_code if isinstance(error, CommandError) else WRONG_USE
        raise typer.Exit(code) from error


def stop_on_signals() -> None:
    """Makes SIGINT and SIGTERM end the command through its context managers.

    Only the first signal counts, so that a second one does not interrupt the clean-up. SIGINT is
    set too, because a shell starts background jobs with SIGINT ignored.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def sentence(error: Exception) -> str | None:
    """Describes an error in a sentence. None for an unexpected error, and for a pipe whose reader
    has ended (`| head`)."""
    if (sentence := cure(error, passed("profile"))) is not None:
        return sentence
    match error:
        case TicketsError():
            return str(error)
        case botocore.exceptions.ClientError():
            return _failed_call(error)
        case botocore.exceptions.ConnectionError() | botocore.exceptions.HTTPClientError():
            return f"AWS or the local stack does not answer ({error}): is it still running?"
        case botocore.exceptions.BotoCoreError():
            return f"The call to AWS failed ({error}): check region and credentials."
        case UnicodeEncodeError():
            # An argument with bytes that are not UTF-8, which Python keeps as surrogates.
            return f"{error.object!a} is not UTF-8, as names in AWS must be: write it in UTF-8."
        case OSError() if error.errno != errno.EPIPE:
            reason = error.strerror or str(error)
            return f"{_name(error)}: {reason}. Check the path and your permissions."
        case _:
            return None


def _failed_call(error: botocore.exceptions.ClientError) -> str:
    code = error.response.get("Error", {}).get("Code", "")
    message = error.response.get("Error", {}).get("Message", "").rstrip(".")
    return f"{error.operation_name} failed ({code}: {message}): check the arguments and try again."


def _name(error: OSError) -> str:
    return os.fsdecode(error.filename) if error.filename is not None else "The operating system"
