"""Serves the console on the loopback interface until it is told to stop."""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from hypercorn.asyncio import serve
from hypercorn.config import Config

from tickets.console.application import Console
from tickets.console.watching import Watcher
from tickets.runs.stack import Stack

HOST = "127.0.0.1"


def run(
    stack: Stack,
    port: int,
    *,
    allow_changes: bool,
    explain: Callable[[Exception], str],
    ready: Callable[[str], None],
    stop: threading.Event | None = None,
) -> None:
    """Serves the pages of a stack, and calls ``ready`` with their address. Port 0: a free one.

    Returns after SIGINT or SIGTERM; in a thread other than the main one, after ``stop`` is set.
    Raises OSError if the port is taken.
    """
    listener = socket.create_server((HOST, port))
    port = listener.getsockname()[1]
    with Watcher(explain) as watcher:
        console = Console(stack, watcher, port, allow_changes)
        config = Config()
        config.bind = [f"fd://{listener.detach()}"]  # Hypercorn closes it
        config.accesslog = config.errorlog = None
        config.graceful_timeout = 0.5
        ready(f"http://{HOST}:{port}/")
        with suppress(KeyboardInterrupt):
            asyncio.run(_serve(console, config, stop))


async def _serve(console: Console, config: Config, stop: threading.Event | None) -> None:
    async def stopped() -> None:
        while stop is not None and not stop.is_set():
            await asyncio.sleep(0.05)

    trigger = stopped if stop is not None else None
    await serve(console.application(), config, shutdown_trigger=trigger)  # type: ignore[arg-type]
