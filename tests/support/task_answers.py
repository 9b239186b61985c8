"""What the tasks really answer with: their handlers, run over small files on moto.

The tests of the definition take the states' results from here, so that they can't agree with each
other on fields that no handler answers with.
"""

from typing import Any

from ingestion.ledger.claims import Claims, Lease
from tests.support.cloud import Cloud, empty_cloud

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"
ROWS = b"T1,tea,B1,2026-01-01T10:00,drinks,2,S1\nT2,,B1,2026-01-01,,1,\n"

Answer = dict[str, Any]
Answers = dict[str, dict[str, Answer]]
"""By handler, and by what the answer says. `chunk` of `plan` is an item of the plan."""


def collect(moto_url: str) -> Answers:
    """Run the tasks and keep what they answer, as Step Functions gets it: by way of JSON."""
    with empty_cloud(moto_url, CHUNK_SIZE_BYTES="65536", MAX_REFUSED_PERCENT="50") as cloud:
        given = cloud.put(HEADER + ROWS, "tickets.csv")
        loading, [chunk] = cloud.plan(given)
        empty, _ = cloud.plan(cloud.put(HEADER, "empty.csv"))
        accepted = {name: value for name, value in loading.items() if name != "plan"}
        missing = cloud.reconcile(loading)
        mine = {"turn": cloud.take_turn(loading)}
        finished = cloud.write(loading, chunk)
        complete = cloud.reconcile(loading)
        turns, stopped, overtaken = _two_versions(cloud)
        return {
            "validate_file": {
                "accepted": accepted,
                "already_loaded": cloud.validate(given),
                "refused": cloud.validate(cloud.put(b"ticket_id,product\n", "broken.csv")),
                "gone": cloud.validate({"bucket": cloud.uploads, "key": "gone.csv"}),
            },
            "split_file": {"plan": loading["plan"], "empty plan": empty["plan"]},
            "take_turn": {"mine": mine, **turns},
            "write_chunk": {
                "finished": finished,
                "checkpoint": finished | {"finished": False},
                "overtaken": stopped,
            },
            "reconcile": {"complete": complete, "missing": missing, "overtaken": overtaken},
            "item": {"chunk": chunk},
        }


def _two_versions(cloud: Cloud) -> tuple[dict[str, Answer], Answer, Answer]:
    """What Take Turn answers a newer load while an older one still writes, and what the tasks
    answer the older one, which has been overtaken."""
    older, [chunk] = cloud.plan(cloud.put(HEADER + ROWS, "twice.csv"))
    newer, _ = cloud.plan(cloud.put(HEADER + ROWS.replace(b"S1", b"S2"), "twice.csv"))
    cloud.take_turn(older)
    lease = Lease(older["load_id"], until=2**40)
    url = f"s3://{cloud.uploads}/twice.csv"
    Claims(cloud.dynamodb, cloud.ledger_table).take_lease(url, "a-writer", lease)
    turns = {
        "wait": {"turn": cloud.take_turn(newer)},
        "overtaken": {"turn": cloud.take_turn(older)},
    }
    return turns, cloud.write(older, chunk), cloud.reconcile(older)
