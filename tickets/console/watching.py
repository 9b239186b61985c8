"""Reads what open pages show, every two seconds, however many pages show it."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

SECONDS = 2.0
"""Seconds from the end of a reading to the next one of the same thing."""
MAX_PAUSE = 8.0
"""The same after several failed readings: an AWS service that is throttling gets fewer calls."""
FORGOTTEN_SECONDS = 10.0
"""Seconds after which a thing that no page asks for is no longer read."""
MAX_WATCHED = 20
"""Things that are read; the one that was asked for the longest ago is dropped for another."""
STALE_SECONDS = 4.0
"""Age from which a page says that it is stale, even if no reading has failed yet."""
_LOOK_SECONDS = 0.02
_STEP = 10

Read = Callable[[Any], Any]


def _never(_: Any) -> bool:
    return False


class Reading:
    """A thing that pages show. `version` counts the values that were read, and `failure` is why
    the newest reading failed. `closed` is set when the console ends."""

    def __init__(
        self,
        name: str,
        read: Read,
        is_final: Callable[[Any], bool],
        closed: threading.Event,
    ) -> None:
        self.name = name
        self.closed = closed
        self.value: Any = None
        self.version = 0
        self.error: str | None = None
        self.failure: Exception | None = None
        self.was_tried = threading.Event()
        self.asked_at = self.read_at = time.monotonic()
        self._read = read
        self._is_final = is_final
        self._took = 0.0
        self._failures = 0

    @property
    def is_final(self) -> bool:
        """Whether it will not change any more, and is not read again."""
        return self.version > 0 and self._is_final(self.value)

    @property
    def age(self) -> float:
        """Seconds since the last reading that succeeded, or since the first one began."""
        return time.monotonic() - self.read_at

    @property
    def pause(self) -> float:
        """Seconds until the next reading."""
        return min(SECONDS * 2.0 ** max(self._failures - 1, 0), MAX_PAUSE)

    @property
    def stale(self) -> str:
        """Says how old the value is, and why; empty if it is fresh."""
        slow = self.age > max(STALE_SECONDS, SECONDS + 2 * self._took)
        if self.is_final or not (self.error or slow):
            return ""
        why = f" {self.error}" if self.error else " The stack does not answer."
        # In steps, because a screen reader reads each new text aloud.
        seconds = int(self.age) if self.age < _STEP else int(self.age // _STEP * _STEP)
        if self.version == 0:
            return f"Nothing could be read for {seconds} seconds.{why}"
        return f"Stale: what you see is {seconds} seconds old.{why}"

    def refresh(self, explain: Callable[[Exception], str]) -> None:
        """Reads it now. If that fails, the last value remains."""
        began = time.monotonic()
        try:
            value = self._read(self.value)
        except Exception as error:  # the page says so, and the next reading may succeed
            self.error, self.failure = explain(error), error
            self._failures += 1
        else:
            if value is not self.value or self.version == 0:
                self.value = value
                self.version += 1
            self.error = self.failure = None
            self._failures = 0
            self.read_at = time.monotonic()
            self._took = self.read_at - began
        self.was_tried.set()

    async def first(self, seconds: float) -> None:
        """Returns when it has been read once, or after some seconds."""
        until = time.monotonic() + seconds
        while not (self.was_tried.is_set() or self.closed.is_set() or time.monotonic() > until):
            await asyncio.sleep(_LOOK_SECONDS)


class Watcher:
    """Keeps readings fresh, each in a thread of its own, from `with` to its end."""

    def __init__(self, explain: Callable[[Exception], str]) -> None:
        self.explain = explain
        self._readings: dict[str, Reading] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def __enter__(self) -> "Watcher":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all readings, and the pages' events with them."""
        self._closed.set()

    def reading(self, name: str, read: Read, is_final: Callable[[Any], bool] = _never) -> Reading:
        """Returns the reading of a thing without waiting. Pages that stay open ask again and again.

        name: what distinguishes it from other things.
        read: gets the last value, or None, and returns the new one.
        is_final: whether a value will not change any more.
        """
        with self._lock:
            one = self._readings.get(name)
            if one is None or (one.is_final and one.age > FORGOTTEN_SECONDS):
                if len(self._readings) >= MAX_WATCHED:
                    del self._readings[
                        min(self._readings.values(), key=lambda it: it.asked_at).name
                    ]
                one = self._readings[name] = Reading(name, read, is_final, self._closed)
                # A daemon, so that the console can end while a reading waits for AWS.
                threading.Thread(target=self._watch, args=(one,), name=name, daemon=True).start()
            one.asked_at = time.monotonic()
            return one

    def _watch(self, one: Reading) -> None:
        while self._is_wanted(one):
            if not one.is_final:
                one.refresh(self.explain)
            self._closed.wait(one.pause)

    def _is_wanted(self, one: Reading) -> bool:
        with self._lock:
            if self._closed.is_set() or self._readings.get(one.name) is not one:
                return False
            if time.monotonic() - one.asked_at <= FORGOTTEN_SECONDS:
                return True
            del self._readings[one.name]
            return False
