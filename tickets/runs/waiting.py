"""The only place that sleeps: asking again and again, with a deadline."""

import time
from collections.abc import Iterator


class DeadlinePassed(Exception):
    """What was waited for did not happen in time."""


def polls(every: float, timeout: float | None = None) -> Iterator[float]:
    """Yields the seconds since the start, at once and then `every` so many seconds.

    Raises DeadlinePassed once `timeout` seconds are over; without one it goes on for ever.
    """
    start = time.monotonic()
    while True:
        elapsed = time.monotonic() - start
        yield elapsed
        elapsed = time.monotonic() - start
        if timeout is not None and elapsed >= timeout:
            raise DeadlinePassed
        pause = every if timeout is None else min(every, timeout - elapsed)
        time.sleep(pause)
