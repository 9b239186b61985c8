"""Runs ordinary code of several actors in every order in which their steps can follow each other.

Each actor is a thread, and only one of them runs at a time: it gives way before each step on what
they share, and the scheduler decides who comes next. All decisions are gone through, depth first;
one that leads to where another has been (same shared state, each actor at the same step with the
same answers) is not followed again, since actors know nothing but what they have been answered.
"""

import threading
from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar

WAIT_SECONDS = 10


class _Ended(BaseException):
    """Thrown into actors that are not needed any more. BaseException, so that nobody catches it."""


class Actor:
    """One thread. `give_way` is called by the actor, `step` and `end` by the scheduler."""

    def __init__(self, name: str, work: Callable[["Actor"], None]) -> None:
        self.name = name
        self.seen: list[Hashable] = []
        """What its steps were answered so far."""
        self.steps = 0
        self.done = False
        self.killed = False
        self.error: BaseException | None = None
        self._work = work
        self._go, self._gone = threading.Semaphore(0), threading.Semaphore(0)
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._await(self._gone)  # it stands before its first step

    def give_way(self) -> None:
        if self._ended:
            raise _Ended
        self._gone.release()
        self._await(self._go)
        if self._ended:
            raise _Ended
        self.steps += 1

    def check(self, right: bool, what: str) -> None:
        """An assertion that ends the exploration at once, though the actor may have more to do."""
        if not right:
            self.error = AssertionError(what)
            raise self.error

    def step(self) -> None:
        self._go.release()
        self._await(self._gone)
        if self.error:
            raise self.error

    def end(self) -> None:
        self._ended = True
        self._go.release()
        self._thread.join(WAIT_SECONDS)

    def _run(self) -> None:
        try:
            self._work(self)
        except _Ended:
            return
        except BaseException as error:
            self.error = error
        self.done = True
        self._gone.release()

    @staticmethod
    def _await(semaphore: threading.Semaphore) -> None:
        assert semaphore.acquire(timeout=WAIT_SECONDS), "an actor hangs"


class World:
    """What a test makes anew for each run: its actors, and what they share."""

    actors: list[Actor]

    def state(self) -> Hashable:
        """All that actors share, as far as it can change."""
        raise NotImplementedError

    def choices(self) -> list[tuple[str, Callable[[], Any]]]:
        """What may happen next, by name: each actor's next step, and what a test adds."""
        return [(one.name, one.step) for one in self.actors if not (one.done or one.killed)]

    def finish(self) -> None:
        """Called when nothing more can happen."""


AWorld = TypeVar("AWorld", bound=World)


def explore(make: Callable[[], AWorld]) -> Iterator[tuple[AWorld, list[str]]]:
    """Every order; gives each world in which nothing more can happen, and how it came to that.

    An exception of an actor ends it, with the order in a note.
    """
    visited: set[Hashable] = set()
    waiting: list[list[int]] = [[]]
    while waiting:
        prefix = waiting.pop()
        world, order = make(), list[str]()
        try:
            while choices := world.choices():
                if len(order) >= len(prefix):
                    here = (world.state(), tuple((one.steps, *one.seen) for one in world.actors))
                    if here in visited:
                        break
                    visited.add(here)
                    waiting += [[*prefix, other] for other in range(1, len(choices))]
                    prefix = [*prefix, 0]
                name, happen = choices[prefix[len(order)]]
                order.append(name)
                happen()
            else:
                world.finish()
                yield world, order
        except BaseException as error:
            error.add_note(f"after {' '.join(order)}")
            raise
        finally:
            for actor in world.actors:
                actor.end()
