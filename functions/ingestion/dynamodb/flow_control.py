"""How hard to press on the table: as much as it takes, and no faster than told."""


class InFlightLimit:
    """How many batches may be in flight: one more for each round of successes, half as many for a
    throttle (additive increase, multiplicative decrease, as TCP does since Jacobson 1988).

    Throttles that come together count as one, for they are one table's one answer.
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
    """At most ``rate`` items a second from ``now`` on, without a burst: also the first items wait
    their time, so that many small chunks together are no faster than one large one."""

    _MAX_WAIT_SECONDS = 10.0  # seconds, for one batch

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._next = now

    @property
    def batch_items(self) -> int:
        """How many items to send at a time, so that no batch waits long."""
        return max(1, int(self._rate * self._MAX_WAIT_SECONDS))

    def take(self, items: int, now: float) -> float:
        """The earliest time at which ``items`` more items may be sent."""
        self._next = max(self._next, now) + items / self._rate
        return self._next


def share_of_rate(rows_per_second: float, chunks: int, at_a_time: int) -> float | None:
    """One chunk's share of a load's rows a second, or None if there is no cap (0)."""
    return rows_per_second / min(chunks, at_a_time) if rows_per_second else None
