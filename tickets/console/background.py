"""Waits for AWS in threads that don't keep the console from ending."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from tickets.errors import CommandError

T = TypeVar("T")


class Background:
    """Runs functions in threads of their own. They are daemon threads, because the interpreter
    would otherwise wait at its end for each answer that doesn't come."""

    def __init__(self) -> None:
        self._threads: set[threading.Thread] = set()
        self._futures: set[asyncio.Future[Any]] = set()

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Calls a function in a thread, and returns what it returns.

        Raises CommandError if the console ends before.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(set_outcome: Callable[[Any], None], outcome: Any) -> None:
            if not future.done():  # it is if the browser has closed the connection
                set_outcome(outcome)

        def call() -> None:
            settled: tuple[Callable[[Any], None], Any]
            try:
                settled = future.set_result, function(*arguments)
            except Exception as error:
                settled = future.set_exception, error
            with suppress(RuntimeError):  # the server has stopped
                loop.call_soon_threadsafe(settle, *settled)
            self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=call, daemon=True)
        self._threads.add(thread)
        self._futures.add(future)
        thread.start()
        try:
            return await future
        finally:
            self._futures.discard(future)

    def abandon(self) -> None:
        """Answer the requests that wait, because the console ends. Their threads continue."""
        for future in list(self._futures):
            if not future.done():
                future.set_exception(CommandError("The console has been ended."))

    def finish(self, seconds: float) -> None:
        """Waits for the threads, but not longer than this, so that a change that has begun is
        completed."""
        until = time.monotonic() + seconds
        for thread in list(self._threads):
            thread.join(max(until - time.monotonic(), 0))
