"""Reads what open pages show, every two seconds, however many pages show it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SECONDS = 2.0
"""Seconds between two readings of the same thing."""
FORGOTTEN_SECONDS = 10.0
"""Seconds after which a thing that no page asks for is no longer read."""
MAX_WATCHED = 20
"""Things that are kept; the one that was asked for the longest ago is dropped for another."""

Reader = Callable[[], Any]


@dataclass
class Reading:
    """A thing that pages show. ``version`` counts the readings that succeeded, ``read_at`` is when
    the last one did, on the monotonic clock, and ``error`` says why the newest one failed."""

    read: Reader
    value: Any = None
    version: int = 0
    read_at: float = 0.0
    tried_at: float = 0.0
    asked_at: float = 0.0
    error: str | None = None
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def age(self) -> float:
        """Seconds since the last reading that succeeded."""
        return time.monotonic() - self.read_at


class Watcher:
    """Keeps readings fresh in a thread of its own, from ``with`` to its end."""

    def __init__(self, explain: Callable[[Exception], str]) -> None:
        self.explain = explain
        self._readings: dict[str, Reading] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join(timeout=5)

    def reading(self, name: str, read: Reader) -> Reading:
        """Return what was last read of a thing. The first time, read it now.

        name: what tells it apart from other things.
        read: reads it. If it raises an exception, the last value remains.
        """
        now = time.monotonic()
        with self._lock:
            one = self._readings.get(name)
            if one is None:
                if len(self._readings) >= MAX_WATCHED:
                    oldest = min(self._readings, key=lambda key: self._readings[key].asked_at)
                    del self._readings[oldest]
                one = self._readings[name] = Reading(read, read_at=now)
            one.asked_at = now
        if one.tried_at == 0.0:
            self._refresh(one, unless_tried_since=0.0)
        return one

    def refresh(self, name: str) -> None:
        """Read a thing again now, because it has just been changed."""
        with self._lock:
            one = self._readings.get(name)
        if one is not None:
            self._refresh(one)

    def _run(self) -> None:
        while not self._closed.wait(0.2):
            now = time.monotonic()
            with self._lock:
                for name, one in list(self._readings.items()):
                    if now - one.asked_at > FORGOTTEN_SECONDS:
                        del self._readings[name]
                due = [one for one in self._readings.values() if now - one.tried_at >= SECONDS]
            for one in due:
                self._refresh(one)

    def _refresh(self, one: Reading, unless_tried_since: float | None = None) -> None:
        with one.lock:
            if unless_tried_since is not None and one.tried_at > unless_tried_since:
                return  # another page has just read it
            try:
                value = one.read()
            except Exception as error:  # the page says so, and the next reading may succeed
                one.error = self.explain(error)
            else:
                one.value, one.error = value, None
                one.version += 1
                one.read_at = time.monotonic()
            one.tried_at = time.monotonic()
