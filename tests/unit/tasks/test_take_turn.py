"""What a load waits for before it writes, and how long it waits until it looks again."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from ingestion.contracts import Turn, TurnRequest
from ingestion.ledger.claims import Claims
from ingestion.ledger.loads import Loads
from ingestion.ledger.slots import Slots
from ingestion.ledger.store import timestamp
from ingestion.ledger.versions import LEASE_MARGIN_SECONDS, Turns
from ingestion.tasks.take_turn import TurnTaker
from tests.support.files import accepted_file
from tests.support.ledger_in_memory import EntriesInMemory

URL = "s3://uploads/a.csv"
START = 1_767_225_600.0  # the start of 2026


class Versions:
    """An S3 client for which v2 is the later version of each object."""

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_object_versions"
        return self

    def paginate(self, Bucket: str, Prefix: str) -> Any:
        return [{"Versions": [{"Key": Prefix, "VersionId": version} for version in ("v2", "v1")]}]


class World:
    """A ledger with one slot, unless `at_a_time` says otherwise."""

    def __init__(self) -> None:
        self.now = START
        self.ended: set[str] = set()
        self.at_a_time = 1
        self.ledger = EntriesInMemory()
        self.slots = self.ledger.over(Slots)
        self.loads = self.ledger.over(Loads)
        self.turns = Turns(cast(Any, Versions()), self.ledger.over(Claims), lambda: self.now)

    def ask(
        self,
        execution: str,
        *,
        key: str = "a.csv",
        version: str = "v1",
        load: str = "",
        last: Turn | None = None,
    ) -> Turn:
        """Calls Take Turn for an execution. `last` is the answer that it got before."""
        taker = TurnTaker(
            self.turns, self.loads, self.slots, self.at_a_time, lambda arn: arn not in self.ended
        )
        request = TurnRequest(
            load or f"{key}-{version}",
            accepted_file(key=key, version_id=version),
            execution,
            "2026-01-01T00:00:00.000Z",
            last.waits_for if last else None,
            last.waited_since if last else None,
        )
        return taker.take(request)


@pytest.fixture
def world() -> World:
    return World()


def test_a_load_waits_for_a_slot_until_another_one_has_ended(world: World) -> None:
    assert world.ask("one", key="one.csv").turn == "mine"
    waiting = world.ask("two", key="two.csv")
    assert (waiting.turn, waiting.waits_for) == ("wait", "slot")
    world.ended.add("one")
    assert world.ask("two", key="two.csv", last=waiting) == Turn("mine")


def test_a_load_that_waits_for_writers_has_no_slot_and_no_place(world: World) -> None:
    world.turns.lease(URL, "a.csv-v1", 900)
    waiting = world.ask("two", version="v2")
    assert (waiting.turn, waiting.waits_for) == ("wait", "writers")
    assert world.ask("three", key="three.csv").turn == "mine"
    world.now += 900 + LEASE_MARGIN_SECONDS + 1
    assert world.ask("two", version="v2").waits_for == "slot"


def test_an_execution_of_an_earlier_release_takes_no_slot(world: World) -> None:
    assert world.ask("one", key="one.csv").turn == "mine"
    assert world.ask("", key="two.csv").turn == "mine"


# ---------------------------------------------------------------- What happens meanwhile


def meanwhile(world: World, happens: Callable[[], object]) -> None:
    """Lets something happen just before the next load takes its slot."""
    slots: Any = world.slots
    take = slots.take

    def taking(*arguments: Any) -> Any:
        slots.take = take
        happens()
        return take(*arguments)

    slots.take = taking


def test_a_later_version_that_comes_meanwhile_overtakes(world: World) -> None:
    meanwhile(world, lambda: world.ask("later", version="v2"))
    world.at_a_time = 2
    assert world.ask("earlier") == Turn("overtaken")
    load = world.loads.load("a.csv-v1")
    assert load
    assert load["status"] == "OVERTAKEN"
    assert world.ask("other", key="other.csv").turn == "mine"  # the slot has been given back


def test_a_writer_that_begins_meanwhile_is_waited_for_without_a_slot(world: World) -> None:
    meanwhile(world, lambda: world.turns.lease(URL, "a.csv-v1", 900))
    assert world.ask("one").waits_for == "writers"
    assert world.ask("other", key="other.csv").turn == "mine"


def test_a_load_that_is_overtaken_while_it_waits_leaves_the_line(world: World) -> None:
    assert world.ask("other", key="other.csv").turn == "mine"
    waiting = world.ask("earlier")
    assert waiting.waits_for == "slot"
    assert world.ask("later", version="v2").turn == "wait"
    assert world.ask("earlier", last=waiting).turn == "overtaken"
    [place] = world.ledger.query("loads-at-a-time", "place#")
    assert place["execution_arn"] == "later"


# ---------------------------------------------------------------- Two executions of one version


@pytest.mark.parametrize("load", ["a.csv-v1", "forced"])
def test_a_second_execution_of_a_version_waits_for_the_first(world: World, load: str) -> None:
    world.at_a_time = 2
    assert world.ask("one").turn == "mine"
    waiting = world.ask("two", load=load)
    assert (waiting.turn, waiting.waits_for) == ("wait", "execution")
    claim = world.turns.newest(URL)
    assert claim
    assert (claim.load_id, claim.execution_arn) == ("a.csv-v1", "one")
    world.ended.add("one")
    assert world.ask("two", load=load, last=waiting).turn == "mine"
    assert world.ask("one").waits_for == "execution"  # if it is redriven


def test_a_later_version_does_not_wait_for_an_execution_of_the_earlier_one(world: World) -> None:
    """It only waits for its writers, which stop when they find that they are overtaken."""
    world.at_a_time = 2
    assert world.ask("one").turn == "mine"
    assert world.ask("two", version="v2").turn == "mine"


def test_the_claim_of_an_earlier_release_names_no_execution_to_wait_for(world: World) -> None:
    assert world.ask("").turn == "mine"
    assert world.ask("two").turn == "mine"


# ---------------------------------------------------------------- How long


@pytest.mark.parametrize(
    ("waited", "least", "most"),
    [
        (0, 5, 15),
        (100, 5, 15),
        (1_000, 50, 150),
        (5_999, 299, 600),
        (12_000, 600, 600),
        (1_000_000, 600, 600),
    ],
)
def test_waits_grow_with_the_time_waited(world: World, waited: int, least: int, most: int) -> None:
    assert world.ask("other", key="other.csv").turn == "mine"
    last = Turn("wait", "slot", 5, timestamp(START))
    world.now += waited
    waits = [world.ask("one", last=last) for _ in range(200)]
    assert {wait.waited_since for wait in waits} == {timestamp(START)}
    seconds = [wait.seconds or 0 for wait in waits]
    assert least <= min(seconds) <= max(seconds) <= most
    assert min(seconds) < least + (most - least) / 4 + 1
    assert max(seconds) > most - (most - least) / 4 - 1


def test_waits_grow_anew_for_something_else(world: World) -> None:
    assert world.ask("other", key="other.csv").turn == "mine"
    world.now += 1_000
    last = Turn("wait", "writers", 100, timestamp(START))
    waiting = world.ask("one", last=last)
    assert (waiting.waits_for, waiting.waited_since) == ("slot", timestamp(world.now))
    assert waiting.seconds is not None
    assert waiting.seconds <= 15
