"""Two versions of an object never write at the same time: every order of their requests is tried.

The code is that of `ingestion.ledger.versions`. Only the entries are in memory, so that a test
decides whose request comes next.
"""

from collections.abc import Iterator
from typing import Any, cast

import pytest

from ingestion.contracts import TurnRequest
from ingestion.ledger.claims import Claim, Lease
from ingestion.ledger.versions import LEASE_MARGIN_SECONDS, Turns, WriterLease
from ingestion.tasks.take_turn import TurnTaker
from tests.support.claims_in_memory import ClaimsInMemory
from tests.support.files import accepted_file
from tests.support.interleavings import Actor, World, explore

URL = "s3://uploads/a.csv"
SECONDS = 900
START = 1_000_000.0
SWITCHES = 4
VERSIONS = ["v1", "v2", "v3"]  # the oldest first


class S3:
    """Lists the versions. The list never changes, so a request for it is not a step."""

    def get_paginator(self, name: Any) -> Any:
        assert name == "list_object_versions"
        return self

    def paginate(self, Bucket: Any, Prefix: Any) -> Iterator[Any]:
        listed = [{"Key": "a.csv", "VersionId": one} for one in reversed(VERSIONS)]
        yield {"Versions": listed}


class Ledger:
    def close_load(self, load_id: Any, status: Any, facts: Any, execution: Any) -> None:
        pass


class Loads(World):
    """Each version's load takes its turn and then writes, as the state machine has it do.

    `crashes`: the first one's writer may be gone at any moment; its function's time, and with it
    the lease, ends some time later.
    """

    def __init__(
        self, *versions: Any, tries: int = 2, writes: int = 2, crashes: bool = False
    ) -> None:
        self.tries, self.writes, self.crashes = tries, writes, crashes
        self.claims = ClaimsInMemory()
        self.now = START
        self.landed: list[Any] = []  # versions, in the order in which their writes landed
        self.writing: set[Any] = set()
        self.turns: dict[Any, Any] = {}
        self.actors = [Actor(version, self.load) for version in versions]

    # --- one load

    def load(self, actor: Any) -> None:
        claims = ClaimsInMemory(self.claims)
        claims.before, claims.after = (
            actor.give_way,
            lambda answer: actor.seen.append(known(answer)),
        )
        turns = Turns(cast(Any, S3()), cast(Any, claims), now=lambda: self.now)
        for _ in range(self.tries):
            turn = self.take_turn(turns, actor.name)
            if turn != "wait":
                break
        self.turns[actor.name] = turn
        if turn == "mine":
            self.write(actor, turns)

    def take_turn(self, turns: Any, version: Any) -> Any:
        file = accepted_file(version_id=version)
        taker = TurnTaker(turns, cast(Any, Ledger()), cast(Any, None), 1, lambda arn: False)
        return taker.take(TurnRequest(f"load-{version}", file)).turn

    def write(self, actor: Any, turns: Any) -> None:
        """Writes as ChunkWriter does: takes the lease, and checks the claim before each write."""
        with turns.lease(URL, f"load-{actor.name}", SECONDS) as lease:
            for _ in range(self.writes):
                if lease.overtaken():
                    break
                self.land(actor)
            self.writing.discard(actor.name)

    def land(self, actor: Any) -> None:
        """A write is under way for a while, and then in the table."""
        self.writing.add(actor.name)
        actor.give_way()
        actor.check(self.writing == {actor.name}, f"{sorted(self.writing)} write at once")
        in_order = all(one <= actor.name for one in self.landed)
        actor.check(in_order, f"{self.landed}, then {actor.name}")
        self.landed.append(actor.name)

    # --- what the scheduler asks

    def state(self) -> Any:
        claim = self.claims.newest_of.get(URL)
        leases = sorted(map(str, self.claims.writers.values()))
        gone = [actor.killed for actor in self.actors]
        return repr((claim, leases, self.landed, sorted(self.writing), self.now, gone))

    def choices(self) -> Any:
        found = super().choices()
        first = self.actors[0]
        if self.crashes and not (first.done or first.killed):
            found.append((f"{first.name} crashes", lambda: setattr(first, "killed", True)))
        if first.killed and self.now == START:
            found.append(("its lease runs out", self.run_out))
        return found

    def run_out(self) -> None:
        self.now += SECONDS + LEASE_MARGIN_SECONDS + 1
        self.writing.discard(self.actors[0].name)

    def finish(self) -> None:
        """In the end the load with the claim must get its turn: no leftover lease makes it wait."""
        if self.actors[0].killed:
            self.run_out()
        turns = Turns(cast(Any, S3()), cast(Any, self.claims), now=lambda: self.now)
        [newest] = [
            version
            for version in VERSIONS
            if turns.newest(URL) == Claim("uploads", "a.csv", version, f"load-{version}")
        ]
        assert self.take_turn(turns, newest) == "mine"


def known(answer: Any) -> Any:
    """What an actor learns from an answer, without the random names of leases."""
    return repr(sorted(map(str, answer)) if isinstance(answer, list) else answer)


def endings(make: Any, switches: int | None = None) -> Any:
    """The possible endings: the order of the writes, and the last turn of each load."""
    found = explore(make, switches)
    return {(*world.landed, *sorted(world.turns.items())) for world, _ in found}


def landed(found: Any) -> Any:
    return {tuple(one for one in ending if isinstance(one, str)) for ending in found}


def test_an_older_and_a_newer_version_never_write_at_once() -> None:
    """That, and that no write of the older one lands after one of the newer, is asserted by each
    write."""
    found = endings(lambda: Loads("v1", "v2", tries=3))
    # Every way it can go is among the orders, so the assertions had something to look at.
    assert landed(found) == {
        ("v1", "v1", "v2", "v2"),
        ("v1", "v2", "v2"),  # overtaken between two writes
        ("v2", "v2"),  # overtaken before the first one
        ("v1", "v1"),  # the newer one was still waiting at the end of this test's backoff
        ("v1",),
        (),
    }


@pytest.mark.exhaustive
def test_a_version_in_between_that_arrives_late_is_overtaken() -> None:
    found = endings(lambda: Loads("v3", "v2", tries=1))
    overtaken = {one for one in found if ("v2", "overtaken") in one}
    assert landed(overtaken) == {("v3", "v3")}


@pytest.mark.exhaustive
@pytest.mark.timeout(600)
def test_three_versions_never_write_at_once_in_whatever_order_they_come() -> None:
    """With at most SWITCHES switches: all orders of three loads take too long."""
    found = endings(lambda: Loads("v2", "v3", "v1", tries=2, writes=1), SWITCHES)
    assert {("v1", "v2", "v3"), ("v1", "v3"), ("v2", "v3"), ("v3",)} <= landed(found)


@pytest.mark.exhaustive
def test_after_a_crash_the_newer_version_waits_until_the_lease_has_run_out_and_no_longer() -> None:
    """The crashed function may be writing until then. That the newer one gets its turn afterwards
    is asserted at the end of each order."""
    found = list(explore(lambda: Loads("v1", "v2", tries=3, crashes=True)))
    assert any("v1 crashes" in order for _, order in found)
    assert any("its lease runs out" in order for _, order in found)
    ways = {tuple(world.landed) for world, _ in found}
    assert {("v1", "v2", "v2"), ("v1", "v1"), ("v2", "v2")} <= ways


class LookBeforeLease(Loads):
    def write(self, actor: Any, turns: Any) -> None:
        unclaimed = Lease(f"load-{actor.name}", 0, 0)
        lease = WriterLease(cast(Any, ClaimsInMemory()), URL, unclaimed, lambda: self.now)
        lease._claims = turns._claims
        if not lease.overtaken():
            with turns.lease(URL, f"load-{actor.name}", SECONDS):
                self.land(actor)
                self.writing.discard(actor.name)


class WaitBeforeClaim(Loads):
    def take_turn(self, turns: Any, version: Any) -> Any:
        claim = Claim("uploads", "a.csv", version, f"load-{version}")
        if turns.writers(claim.object_url):
            return "wait"
        return "mine" if turns.claim(claim) else "overtaken"


class NoLease(Loads):
    def write(self, actor: Any, turns: Any) -> None:
        self.land(actor)
        self.writing.discard(actor.name)


@pytest.mark.parametrize("wrong", [LookBeforeLease, WaitBeforeClaim, NoLease])
def test_the_order_of_the_steps_is_what_keeps_them_apart(wrong: Any) -> None:
    """A writer takes its lease before it checks the claim, and a load claims before it waits. If
    either order is reversed, two loads write at once in some order of steps."""
    with pytest.raises(AssertionError, match=r"write at once|, then v1"):
        endings(lambda: wrong("v1", "v2", tries=3))


def test_a_lease_that_ends_before_its_function_does_is_found() -> None:
    class TooShort(Loads):
        def run_out(self) -> None:
            self.now += SECONDS + LEASE_MARGIN_SECONDS + 1  # and the function still writes

    with pytest.raises(AssertionError, match="write at once"):
        endings(lambda: TooShort("v1", "v2", tries=3, crashes=True))
