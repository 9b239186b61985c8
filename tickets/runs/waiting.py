"""Polling with a deadline."""

import random
import time
from collections.abc import Iterator


class DeadlinePassed(Exception):
    """Raised by `polls` when its timeout has passed."""


def polls(every: float, timeout: float | None = None, jitter: float = 0.0) -> Iterator[float]:
    """Yields the seconds since the start: at once, then again after each pause of `every` seconds.

    jitter: each pause is shorter or longer by up to this fraction, so that two processes that wait
    for each other don't stay in step.
    Raises DeadlinePassed after `timeout` seconds; without a timeout it never ends.
    """
    start = time.monotonic()
    while True:
        yield time.monotonic() - start
        elapsed = time.monotonic() - start
        if timeout is not None and elapsed >= timeout:
            raise DeadlinePassed
        pause = every * random.uniform(1 - jitter, 1 + jitter)
        time.sleep(pause if timeout is None else min(pause, timeout - elapsed))
