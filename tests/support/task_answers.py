"""Collects real answers of the tasks, by running their handlers on small files with moto.

The tests of the definition use these answers as the states' results, so that they can't rely on
fields that no handler returns.
"""

import gzip
from typing import Any

from ingestion.ledger.claims import Claims, Lease
from tests.support.cloud import Cloud, empty_cloud
from tests.support.state_machine import payload_of

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"
ROW = b"T1,tea,B1,2026-01-01T10:00,drinks,2,S1\n"
SHORT_ROW = b"T1,tea,B1,2026-01-01,,1,\n"
ROWS = ROW + b"T2,,B1,2026-01-01,,1,\n"

Answer = dict[str, Any]
Answers = dict[str, dict[str, Answer]]
"""Answers by handler and by a label. `["item"]["chunk"]` is an item of the plan."""


def collect(moto_url: str) -> Answers:
    """Runs the tasks and returns their answers as Step Functions gets them, by way of JSON."""
    with empty_cloud(moto_url, CHUNK_SIZE_BYTES="100", MAX_REFUSED_PERCENT="50") as cloud:
        given = cloud.put(HEADER + ROWS, "tickets.csv")
        loading, [chunk] = cloud.plan(given)
        empty, _ = cloud.plan(cloud.put(HEADER, "empty.csv"))
        packed = cloud.validate(cloud.put(gzip.compress(HEADER + ROWS), "packed.csv.gz"))
        too_late = cloud.call("split_file", payload_of("split_file", packed), seconds=60)
        accepted = {name: value for name, value in loading.items() if name != "turn"}
        small = cloud.validate(cloud.put(HEADER + SHORT_ROW, "small.csv"))
        missing = cloud.reconcile(loading)
        mine = cloud.turn(loading)
        finished = cloud.write(loading, chunk)
        complete = cloud.reconcile(loading)
        wait, overtaken = _two_versions(cloud)
        unsettled, waiting, settled = _equal_keys(cloud)
        return {
            "validate_file": {
                "accepted": accepted | {"plan": None},
                "small": small,
                "already_loaded": cloud.validate(given),
                "refused": cloud.validate(cloud.put(b"ticket_id,product\n", "broken.csv")),
                "gone": cloud.validate({"bucket": cloud.uploads, "key": "gone.csv"}),
            },
            "split_file": {
                "plan": loading["plan"],
                "empty plan": empty["plan"],
                "refused": too_late,
            },
            "take_turn": {"mine": mine, "wait": wait, "overtaken": overtaken["take_turn"]},
            "write_chunk": {
                "finished": finished,
                "checkpoint": finished | {"finished": False},
                "overtaken": overtaken["write_chunk"],
                "table replaced": finished | {"finished": False, "table_replaced": True},
            },
            "settle_equal_keys": {
                "settled": settled,
                "checkpoint": settled | {"state": "unsettled"},
                "waiting": waiting,
                "overtaken": overtaken["settle_equal_keys"],
                "table replaced": settled | {"state": "table_replaced"},
            },
            "reconcile": {
                "complete": complete,
                "missing": missing,
                "overtaken": overtaken["reconcile"],
                "unsettled": unsettled,
            },
            "item": {"chunk": chunk},
        }


def _two_versions(cloud: Cloud) -> tuple[Answer, dict[str, Answer]]:
    """Makes a newer load overtake an older one. Returns Take Turn's answer to the newer load while
    the older one still writes, and the tasks' answers to the older load, by handler."""
    older, [chunk] = cloud.plan(cloud.put(HEADER + ROWS, "twice.csv"))
    newer, _ = cloud.plan(cloud.put(HEADER + ROWS.replace(b"S1", b"S2"), "twice.csv"))
    cloud.take_turn(older)
    put_lease(cloud, "twice.csv", Lease(older["load_id"], began=0, until=2**34))
    wait = cloud.turn(newer)
    return wait, {
        "take_turn": cloud.turn(older),
        "write_chunk": cloud.write(older, chunk),
        "settle_equal_keys": cloud.settle(older),
        "reconcile": cloud.reconcile(older),
    }


def _equal_keys(cloud: Cloud) -> tuple[Answer, Answer, Answer]:
    """Loads a file with one key in several chunks. Returns the first answer of Reconcile, the
    answer of Settle Equal Keys while a writer may still be running, and its answer after that."""
    state, chunks = cloud.plan(cloud.put(HEADER + ROW * 5, "equal.csv"))
    assert len(chunks) > 1
    cloud.take_turn(state)
    for chunk in chunks:
        cloud.write(state, chunk)
    unsettled = cloud.call("reconcile", payload_of("reconcile", state))
    lease = Lease(state["load_id"], 0, 2**34, state["plan"]["generation"], chunk=0)
    claims, url = put_lease(cloud, "equal.csv", lease)
    waiting = cloud.settle(state)
    claims.delete_lease(url, "a-writer")
    return unsettled, waiting, cloud.settle(state)


def put_lease(cloud: Cloud, key: str, lease: Lease) -> tuple[Claims, str]:
    claims, url = Claims(cloud.dynamodb, cloud.ledger_table), f"s3://{cloud.uploads}/{key}"
    claims.put_lease(url, "a-writer", lease)
    return claims, url
