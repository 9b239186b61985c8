"""The declaration of a source is changed: during a load, before a replay, and after a load."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ingestion.sources.catalogue import Sources
from ingestion.sources.model import Source
from tests.support.cloud import Cloud
from tests.support.sources import tickets_with

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"
FILE = HEADER + b"".join(
    b"T%d,Tea,B1,2025-11-23T08:00:00Z,Drinks,%d,Lyon\n" % (at, at) for at in range(20)
)
Deploy = Callable[[Source], None]


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]) -> Deploy:
    def deploy(source: Source) -> None:
        sources = Sources(source, ())
        monkeypatch.setattr("handlers.validate_file.deployed_sources", lambda: sources)
        fresh_clients()

    return deploy


def storing_the_store_as(attribute: str) -> Source:
    return tickets_with({"store": {"dynamodb": {"attribute": attribute}}})


def attributes_of_the_store(cloud: Cloud) -> set[str]:
    return {name for item in cloud.items() for name in ("store", "shop") if name in item}


def test_a_load_goes_on_with_the_declaration_that_it_began_with(
    cloud: Cloud, deploy: Deploy
) -> None:
    deploy(storing_the_store_as("store"))
    state, chunks = cloud.plan(cloud.put(FILE))
    assert len(chunks) > 2
    assert cloud.take_turn(state) == "mine"
    cloud.write(state, chunks[0])
    deploy(storing_the_store_as("shop"))
    for chunk in chunks[1:]:
        cloud.write(state, chunk)
    assert attributes_of_the_store(cloud) == {"store"}
    assert len(cloud.items()) == 20


def test_a_replay_begins_again_with_the_new_declaration(cloud: Cloud, deploy: Deploy) -> None:
    deploy(storing_the_store_as("store"))
    given = cloud.put(FILE)
    state, chunks = cloud.plan(given)
    assert cloud.take_turn(state) == "mine"
    for chunk in chunks[:2]:
        assert cloud.write(state, chunk)["finished"]
    deploy(storing_the_store_as("shop"))
    result = cloud.load(given)["result"]
    assert (result["complete"], result["rows_read"], result["rows_written"]) == (True, 20, 20)
    assert attributes_of_the_store(cloud) == {"shop"}


def test_a_load_ends_under_the_declaration_that_its_rows_have(cloud: Cloud, deploy: Deploy) -> None:
    """Even if another execution has planned it under the new declaration since, and was stopped
    while it waited for its turn."""
    deploy(storing_the_store_as("store"))
    given = cloud.put(FILE)
    state, chunks = cloud.plan(given)
    assert cloud.take_turn(state) == "mine"
    for chunk in chunks:
        cloud.write(state, chunk)
    deploy(storing_the_store_as("shop"))
    cloud.plan(given)
    result = cloud.reconcile(state)
    assert result["complete"]
    written_with = state["file"]["source"]["sha256"]
    report = json.loads(cloud.read(cloud.work, "reports/by-hand.json"))
    assert report["source"]["sha256"] == written_with
    assert cloud.entry(state["load_id"])["source"]["sha256"] == written_with
    assert cloud.run(given, "replay").ended_in == "Loaded"
    assert attributes_of_the_store(cloud) == {"shop"}


@pytest.mark.parametrize(
    ("attribute", "ended_in"), [("shop", "Loaded"), ("store", "Already Loaded")]
)
def test_a_loaded_file_is_loaded_again_if_its_items_would_differ(
    cloud: Cloud, deploy: Deploy, attribute: str, ended_in: Any
) -> None:
    deploy(storing_the_store_as("store"))
    given = cloud.put(FILE)
    assert cloud.run(given, "first").ended_in == "Loaded"
    deploy(replace(storing_the_store_as(attribute), match=("elsewhere/*",), sha256="0" * 64))
    assert cloud.run(given, "second").ended_in == ended_in
    assert attributes_of_the_store(cloud) == {attribute}
