"""What the tasks really answer with: their handlers, run over small files on moto.

The tests of the definition take the states' results from here, so that they can't agree with each
other on fields that no handler answers with.
"""

from typing import Any

from ingestion.ledger.claims import Claims, Lease
from tests.support.cloud import Cloud, empty_cloud
from tests.support.state_machine import payload_of

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"
ROW = b"T1,tea,B1,2026-01-01T10:00,drinks,2,S1\n"
ROWS = ROW + b"T2,,B1,2026-01-01,,1,\n"

Answer = dict[str, Any]
Answers = dict[str, dict[str, Answer]]
"""By handler, and by what the answer says. `chunk` of `plan` is an item of the plan."""


def collect(moto_url: str) -> Answers:
    """Run the tasks and keep what they answer, as Step Functions gets it: by way of JSON."""
    with empty_cloud(moto_url, CHUNK_SIZE_BYTES="100", MAX_REFUSED_PERCENT="50") as cloud:
        given = cloud.put(HEADER + ROWS, "tickets.csv")
        loading, [chunk] = cloud.plan(given)
        empty, _ = cloud.plan(cloud.put(HEADER, "empty.csv"))
        accepted = {name: value for name, value in loading.items() if name != "plan"}
        missing = cloud.reconcile(loading)
        mine = {"turn": cloud.take_turn(loading)}
        finished = cloud.write(loading, chunk)
        complete = cloud.reconcile(loading)
        wait, overtaken = _two_versions(cloud)
        unsettled, waiting, settled = _equal_keys(cloud)
        return {
            "validate_file": {
                "accepted": accepted,
                "already_loaded": cloud.validate(given),
                "refused": cloud.validate(cloud.put(b"ticket_id,product\n", "broken.csv")),
                "gone": cloud.validate({"bucket": cloud.uploads, "key": "gone.csv"}),
            },
            "split_file": {"plan": loading["plan"], "empty plan": empty["plan"]},
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
    """What Take Turn answers a newer load while an older one still writes, and what the tasks
    answer the older one, which has been overtaken, by their handlers."""
    older, [chunk] = cloud.plan(cloud.put(HEADER + ROWS, "twice.csv"))
    newer, _ = cloud.plan(cloud.put(HEADER + ROWS.replace(b"S1", b"S2"), "twice.csv"))
    cloud.take_turn(older)
    put_lease(cloud, "twice.csv", Lease(older["load_id"], began=0, until=2**34))
    wait = {"turn": cloud.take_turn(newer)}
    return wait, {
        "take_turn": {"turn": cloud.take_turn(older)},
        "write_chunk": cloud.write(older, chunk),
        "settle_equal_keys": cloud.settle(older),
        "reconcile": cloud.reconcile(older),
    }


def _equal_keys(cloud: Cloud) -> tuple[Answer, Answer, Answer]:
    """What Reconcile answers a load with one key in two chunks, and Settle Equal Keys while a
    writer may be left, and then."""
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
