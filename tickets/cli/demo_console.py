"""The console of the demo's stack, beside the demo itself."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tickets.cli.console_server import explain
from tickets.runs.stack import Stack


@contextmanager
def running_console(stack: Stack) -> Iterator[str]:
    """Serves the console, read-only and on a free port, until the end of the block. Yields its
    address."""
    # Installed only with the extra `console`.
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
            explain=explain,
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
