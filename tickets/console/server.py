"""Serves the console on the loopback interface until it is told to stop."""

import asyncio
import errno
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from hypercorn.asyncio import serve
from hypercorn.config import Config

from tickets.console.application import Console
from tickets.console.background import Background
from tickets.console.connection import Connection
from tickets.console.guard import Guard
from tickets.console.watching import Watcher
from tickets.errors import CommandError

HOST = "127.0.0.1"
_LAST_SECONDS = 3.0
"""How long a change that has begun may take after the end."""


def run(
    connection: Connection,
    port: int,
    *,
    allow_changes: bool,
    explain: Callable[[Exception], str],
    ready: Callable[[str], None],
    stop: threading.Event | None = None,
) -> None:
    """Serves the pages of a stack, and calls `ready` with their address. Port 0: a free one.

    Returns after SIGINT or SIGTERM; in a thread other than the main one, after `stop` is set.
    Raises CommandError if the port can't be used.
    """
    listener = _listen(port)
    port = listener.getsockname()[1]
    background = Background()

    def explain_and_renew(error: Exception) -> str:
        connection.failed(error)
        return explain(error)

    with Watcher(explain_and_renew) as watcher:
        console = Console(connection, watcher, background, port, allow_changes)
        config = Config()
        config.bind = [f"fd://{listener.detach()}"]  # Hypercorn closes it
        config.accesslog = config.errorlog = None
        config.graceful_timeout = 0.5
        ready(f"http://{HOST}:{port}/")
        asyncio.run(
            _serve(console.application(), config, stop, [watcher.close, background.abandon])
        )
        background.finish(_LAST_SECONDS)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            why = f"Port {port} is in use"
        else:
            why = f"Port {port} can't be used ({os.strerror(error.errno or 0)})"
        raise CommandError(f"{why}: pass another one with --port, or leave it out.") from error


async def _serve(
    application: Guard,
    config: Config,
    stop: threading.Event | None,
    close: Iterable[Callable[[], None]],
) -> None:
    stopped = asyncio.Event()
    if stop is None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)

    async def shutdown() -> None:
        """Waits for the end. Then no request waits any more, or the server would wait for it."""
        while not stopped.is_set() and not (stop and stop.is_set()):
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), 0.05 if stop else None)
        for one in close:
            one()

    await serve(application, config, shutdown_trigger=shutdown)  # type: ignore[arg-type]
