"""The entry point of `tickets`: whatever happens, and whenever, nobody sees a traceback."""

import os
import signal
import sys
import traceback
from types import FrameType


def main() -> None:
    """Runs the command; TICKETS_TRACEBACK=1 shows where an unexpected error comes from."""
    # Loading what the command needs takes a moment in which Ctrl-C must already be quiet.
    signal.signal(signal.SIGINT, _leave)
    signal.signal(signal.SIGTERM, _leave)
    from tickets.cli.commands import app
    from tickets.cli.errors import stop_on_signals
    from tickets.errors import WRONG_USE

    stop_on_signals()
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal without UTF-8
    try:
        app()
    except Exception as error:
        if os.environ.get("TICKETS_TRACEBACK"):
            traceback.print_exc()
        else:
            print(
                f"Unexpected {type(error).__name__}: {error} (TICKETS_TRACEBACK=1 shows where).",
                file=sys.stderr,
            )
        sys.exit(WRONG_USE)


def _leave(number: int, _frame: FrameType | None) -> None:
    """Nothing has been started yet, so there is nothing to clean up."""
    os._exit(128 + number)
