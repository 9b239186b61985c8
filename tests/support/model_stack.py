"""The handlers, and the cloud that they use, in the model test."""

import importlib
import itertools
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from ingestion.tasks.write_chunk import CHECKPOINT_SECONDS
from tests.support.cloud import FUNCTION_SECONDS, Cloud, empty_again, forget_clients_of
from tests.support.wire import Wire

FEW_SECONDS = CHECKPOINT_SECONDS + 35
_WITH_A_CLOCK = {"write_chunk": "_chunk_writer", "settle_equal_keys": "_settler"}


class Stack:
    """Calls the handlers on a cloud that is emptied for each example."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.now = 0.0
        self.cloud: Cloud
        self.seen: Counter[str] = Counter()
        """How often each kind of event has happened in all examples, so that a test can assert that
        each did."""
        self.is_running: Callable[[str], bool] = lambda execution_arn: False
        """Whether an execution is running. moto can't say, because executions are interpreted."""
        self._under_way: list[str] = []

    def empty(self) -> None:
        self.wire.expect()
        self.cloud = empty_again()
        self.cloud.now = lambda: self.now
        self.now = time.time()
        self._under_way = []

    def call(self, handler: Any, event: Any, tick: float = 0.0) -> Any:
        """Calls a handler; returns its answer or raises its error.

        tick: seconds by which the handler's clock advances each time that it is read. If it is set,
        the call has only FEW_SECONDS left.
        """
        module = importlib.import_module(f"handlers.{handler}")
        if handler in self._under_way:  # another instance of the function, with its own clients
            forget_clients_of(module)
        if handler in _WITH_A_CLOCK:
            clock = itertools.count(0, tick).__next__ if tick else time.monotonic
            getattr(module, _WITH_A_CLOCK[handler])()._clock = clock
        if handler == "take_turn":
            module._turn_taker()._is_running = self.is_running
        self._under_way.append(handler)
        try:
            return self.cloud.call(handler, event, FEW_SECONDS if tick else FUNCTION_SECONDS)
        finally:
            self._under_way.remove(handler)

    def ledger(self) -> Any:
        """All entries of the ledger, by load id and by the entry's name."""
        entries: dict[str, dict[str, Any]] = {}
        for entry in self.cloud.items(self.cloud.ledger_table):
            entries.setdefault(entry["load_id"], {})[entry["entry"]] = entry
        return entries
