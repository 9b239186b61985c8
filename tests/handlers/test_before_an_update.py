"""An execution that began before the stack was updated passes the JSON of the earlier release."""

import gzip
from typing import Any

import pytest

from tests.support.cloud import Cloud

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"
ROWS = b"".join(
    b"T%d,Tea,B1,2025-11-23T08:00:00Z,Drinks,%d,Lyon\n" % (at % 9, at) for at in range(10)
)


def begun_before(cloud: Cloud, chunk_size: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The state of a load with written chunks, without the fields that this release has added."""
    monkeypatch.setenv("CHUNK_SIZE_BYTES", str(chunk_size))
    state, chunks = cloud.plan(cloud.put(HEADER + ROWS))
    for name in ("table_id", "header", "skipped_lines", "source", "encoding"):
        del state["file"][name]
    for name in ("generation", "digest_key"):
        del state["plan"][name]
    assert cloud.take_turn({**state, "plan": {**state["plan"], "generation": ""}}) == "mine"
    for chunk in chunks:
        event = {"load_id": state["load_id"], "file": state["file"], "chunk": chunk}
        assert cloud.call("write_chunk", event)["finished"]
    return state


def test_a_load_of_one_chunk_succeeds(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    state = begun_before(cloud, 1_000_000, monkeypatch)
    result = cloud.call("reconcile", state)
    assert result["complete"]
    counts = [result[f"rows_{name}"] for name in ("read", "written", "superseded", "refused")]
    assert counts == [10, 9, 1, 0]
    assert {int(item["quantity"]) for item in cloud.items()} == set(range(1, 10))


def test_a_load_of_several_chunks_fails_and_asks_for_a_replay(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its definition has no state that settles equal keys."""
    state = begun_before(cloud, 300, monkeypatch)
    result = cloud.call("reconcile", state)
    assert not result["complete"]
    assert "began before the stack was updated" in result["summary"]
    assert "Replay it" in result["summary"]


def test_a_file_that_split_file_refuses_does_not_succeed(cloud: Cloud) -> None:
    """Its definition doesn't handle refusals, and calls Reconcile for a plan without chunks."""
    state = cloud.validate(cloud.put(gzip.compress(HEADER + ROWS)))
    event = {name: state[name] for name in ("load_id", "file")}
    state["plan"] = cloud.call("split_file", event, seconds=60)
    assert state["plan"].pop("refusal")["reason"] == "out_of_time"
    result = cloud.call("reconcile", state)
    assert not result["complete"]
    assert result["summary"].startswith("The file could not be read to its end.")
    assert cloud.entry(state["load_id"])["status"] == "FAILED"
