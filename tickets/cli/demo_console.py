"""The console of the demo's stack, beside the demo itself."""

import threading
import webbrowser
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec

from tickets.cli.console import print_error
from tickets.cli.errors import sentence
from tickets.errors import CommandError
from tickets.runs.stack import Stack


def check_packages() -> None:
    """Raises CommandError if the packages of the console are missing."""
    if any(find_spec(module) is None for module in ("hypercorn", "starlette")):
        raise CommandError(
            "The console needs packages that are not installed: install tickets[console]."
        )


@contextmanager
def running_console(stack: Stack) -> Iterator[str]:
    """Serves the console, read-only and on a free port, until the end of the block. Yields its
    address."""
    # installed only with the extra `console`
    from tickets.console.connection import Connection
    from tickets.console.server import run

    stop, ready = threading.Event(), threading.Event()
    addresses: list[str] = []

    def note(address: str) -> None:
        addresses.append(address)
        ready.set()

    with ThreadPoolExecutor(1, "console") as threads:
        server = threads.submit(
            run,
            Connection(stack),
            0,
            allow_changes=False,
            explain=lambda error: sentence(error) or f"{type(error).__name__}: {error}",
            ready=note,
            stop=stop,
        )
        server.add_done_callback(lambda _: ready.set())
        try:
            ready.wait()
            if not addresses:
                server.result()  # raises why it could not start
            yield addresses[0]
        finally:
            stop.set()


def open_browser(url: str) -> None:
    """Opens a page in the user's browser, or says that they have to do it."""
    if not webbrowser.open(url):
        print_error(f"No browser could be started. Open this address: {url}")
