"""Limits the writes to what the table accepts, and to a given rate."""


class InFlightLimit:
    """Limits the batches in flight: one more after each round of successes, half after a throttle.

    This is additive increase, multiplicative decrease, as in TCP since Jacobson 1988. Throttles
    that come close together count as one, because they have the same cause.
    """

    _ONE_ANSWER_SECONDS = 0.25

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._decreased_at = float("-inf")

    @property
    def limit(self) -> int:
        return int(self._limit)

    def succeeded(self) -> None:
        self._limit = min(self._most, self._limit + 1 / self._limit)

    def throttled(self, now: float) -> None:
        if now - self._decreased_at >= self._ONE_ANSWER_SECONDS:
            self._decreased_at = now
            self._limit = max(1.0, self._limit / 2)


class RateLimit:
    """Allows at most `rate` items per second from `now` on, without bursts.

    Even the first items have to wait, so that many small chunks are no faster than a large one.
    """

    _MAX_WAIT_SECONDS = 10.0  # for one batch

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._next = now

    @property
    def batch_items(self) -> int:
        """The most items to send at a time, so that no batch waits long."""
        return max(1, int(self._rate * self._MAX_WAIT_SECONDS))

    def take(self, items: int, now: float) -> float:
        """The earliest time at which `items` more items may be sent."""
        self._next = max(self._next, now) + items / self._rate
        return self._next


def share_of_rate(rows_per_second: float, chunks: int, at_a_time: int) -> float | None:
    """One chunk's share of a load's rows per second, or None if there is no cap (0)."""
    return rows_per_second / min(chunks, at_a_time) if rows_per_second else None
