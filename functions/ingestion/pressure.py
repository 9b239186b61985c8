"""How hard to press on the table: as many batches in flight as it takes."""

import threading


class InFlightLimit:
    """How many batches may be in flight: one more for each round of successes, half as many for a
    throttle (additive increase, multiplicative decrease, as TCP does since Jacobson 1988).

    Throttles that come together count as one, for they are one table's one answer. Thread-safe.
    """

    _ONE_ANSWER_SECONDS = 0.25

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._decreased_at = float("-inf")
        self._lock = threading.Lock()

    @property
    def limit(self) -> int:
        return int(self._limit)

    def succeeded(self) -> None:
        with self._lock:
            self._limit = min(self._most, self._limit + 1 / self._limit)

    def throttled(self, now: float) -> None:
        with self._lock:
            if now - self._decreased_at >= self._ONE_ANSWER_SECONDS:
                self._decreased_at = now
                self._limit = max(1.0, self._limit / 2)
