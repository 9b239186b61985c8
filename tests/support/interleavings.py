"""Runs ordinary code of several actors in every possible order of their steps.

Each actor is a thread, and only one of them runs at a time. An actor gives way before each step on
the shared state, and the scheduler chooses the actor that runs next. The scheduler explores all
choices, depth first. It does not continue from a situation that it has already been in: the same
shared state, and each actor at the same step with the same answers. That is safe, because an actor
depends only on the answers that it has received.
"""

import threading
from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar

WAIT_SECONDS = 10


class _Ended(BaseException):
    """Raised in actors that are no longer needed. It is a BaseException, so that no handler of
    errors in their code catches it."""


class Actor:
    """One thread. `give_way` is called by the actor, `step` and `end` by the scheduler."""

    def __init__(self, name: str, work: Callable[["Actor"], None]) -> None:
        self.name = name
        self.seen: list[Hashable] = []
        """The answers that its steps have received so far."""
        self.steps = 0
        self.done = False
        self.killed = False
        self.error: BaseException | None = None
        self._work = work
        self._go, self._gone = threading.Semaphore(0), threading.Semaphore(0)
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._await(self._gone)  # until it is about to make its first step

    def give_way(self) -> None:
        if self._ended:
            raise _Ended
        self._gone.release()
        self._await(self._go)
        if self._ended:
            raise _Ended
        self.steps += 1

    def check(self, right: bool, what: str) -> None:
        """Ends the exploration at once if `right` is false, even if the actor would continue, for
        example in a `finally`."""
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
    """The actors of a test and their shared state. A test makes a new one for each run."""

    actors: list[Actor]

    def state(self) -> Hashable:
        """The part of the shared state that can change."""
        raise NotImplementedError

    def choices(self) -> list[tuple[str, Callable[[], Any]]]:
        """What may happen next, as (name, function): each actor's next step. A subclass may add
        more."""
        return [(one.name, one.step) for one in self.actors if not (one.done or one.killed)]

    def finish(self) -> None:
        """Called when nothing more can happen."""


AWorld = TypeVar("AWorld", bound=World)


def explore(
    make: Callable[[], AWorld], switches: int | None = None
) -> Iterator[tuple[AWorld, list[str]]]:
    """Runs every order. Yields each world in which nothing more can happen, with the names of the
    steps that led to it.

    `switches` limits how often an actor that could continue gives way to another one. The number
    of orders grows fast with the number of actors, but few switches are enough to show most races.

    An exception in an actor ends the exploration. The steps so far are added to it as a note.
    """
    visited: set[Hashable] = set()
    waiting: list[list[int]] = [[]]
    while waiting:
        prefix = waiting.pop()
        world, order = make(), list[str]()
        switched = 0
        try:
            while choices := world.choices():
                names = [name for name, _ in choices]
                can_continue = bool(order) and order[-1] in names
                if len(order) >= len(prefix):
                    here: Hashable = (
                        world.state(),
                        tuple((one.steps, *one.seen) for one in world.actors),
                        None if switches is None else (switched, *order[-1:]),
                    )
                    if here in visited:
                        break
                    visited.add(here)
                    first, *others = range(len(choices))
                    if switched == switches and can_continue:
                        first, others = names.index(order[-1]), []
                    waiting += [[*prefix, other] for other in others]
                    prefix = [*prefix, first]
                name, happen = choices[prefix[len(order)]]
                switched += can_continue and name != order[-1]
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
