"""The entry point of the `tickets` command. Errors and signals never print a traceback."""

import os
import signal
import sys
import traceback
from types import FrameType


def main() -> None:
    """Runs the command. TICKETS_TRACEBACK=1 prints the traceback of an unexpected error."""
    # Importing the command takes a moment, during which Ctrl-C must be handled, too.
    signal.signal(signal.SIGINT, _exit)
    signal.signal(signal.SIGTERM, _exit)
    from tickets.cli.app import app_for
    from tickets.cli.errors import stop_on_signals
    from tickets.errors import WRONG_USE

    stop_on_signals()
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal without UTF-8
    try:
        app_for(sys.argv[1:])()
    except Exception as error:
        if os.environ.get("TICKETS_TRACEBACK"):
            traceback.print_exc()
        else:
            print(
                f"Unexpected {type(error).__name__}: {error} (TICKETS_TRACEBACK=1 prints the "
                "traceback).",
                file=sys.stderr,
            )
        sys.exit(WRONG_USE)


def _exit(number: int, _frame: FrameType | None) -> None:
    """Ends the process at once: nothing has started yet that needs cleaning up."""
    os._exit(128 + number)
