"""The handlers, and the cloud that they work on, in the model test."""

import importlib
import itertools
import time
from collections import Counter
from typing import Any

from ingestion.tasks.write_chunk import CHECKPOINT_SECONDS
from tests.support.cloud import FUNCTION_SECONDS, Cloud, empty_again, forget_clients_of
from tests.support.wire import Wire

FEW_SECONDS = CHECKPOINT_SECONDS + 35
_WITH_A_CLOCK = {"write_chunk": "_chunk_writer", "settle_equal_keys": "_settler"}


class Stack:
    """The handlers, and a cloud that is emptied for each example."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.now = 0.0
        self.cloud: Cloud
        self.seen: Counter[str] = Counter()
        """What has happened in all examples, so that a test can say that it did."""
        self._under_way: list[str] = []

    def empty(self) -> None:
        self.wire.expect()
        self.cloud = empty_again()
        self.cloud.now = lambda: self.now
        self.now = time.time()
        self._under_way = []

    def call(self, handler: Any, event: Any, tick: float = 0.0) -> Any:
        """A handler's answer, or its error. ``tick``: seconds that pass with each look at the clock
        of a call, which has only FEW_SECONDS then."""
        module = importlib.import_module(f"handlers.{handler}")
        if handler in self._under_way:  # another instance of the function, with its own clients
            forget_clients_of(module)
        if handler in _WITH_A_CLOCK:
            clock = itertools.count(0, tick).__next__ if tick else time.monotonic
            getattr(module, _WITH_A_CLOCK[handler])()._clock = clock
        self._under_way.append(handler)
        try:
            return self.cloud.call(handler, event, FEW_SECONDS if tick else FUNCTION_SECONDS)
        finally:
            self._under_way.remove(handler)

    def ledger(self) -> Any:
        """All entries, by load and by the entry's name."""
        entries: dict[str, dict[str, Any]] = {}
        for entry in self.cloud.items(self.cloud.ledger_table):
            entries.setdefault(entry["load_id"], {})[entry["entry"]] = entry
        return entries
