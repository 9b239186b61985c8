"""tickets audit: what a load has read against what the table holds, on moto."""

import gzip
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ingestion.ledger.loads import Loads
from ingestion.sources.catalogue import Sources
from ingestion.sources.model import Source
from tests.support.cloud import Cloud
from tests.support.moto_server import table_ids
from tests.support.sources import tickets_with
from tests.support.watched_sender import watch
from tickets.cli.audit import _print_audit
from tickets.cli.console import console
from tickets.errors import CommandError
from tickets.runs import audit
from tickets.runs.audit import audit_load

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"


def row(at: Any, product: str = "Tea", quantity: str = "1", store: str = "Lyon") -> bytes:
    return f"T{at},{product},B1,2025-11-23T08:00:00Z,,{quantity},{store}\n".encode()


ROWS = [
    *[row(at) for at in range(20)],  # lines 2 to 21
    b"\n",
    row(20, quantity="x"),  # line 23: refused
    row(21, store='"Lyon,\nNorth"'),  # lines 24 and 25
    row(0, quantity="+02"),  # line 26: supersedes line 2
    HEADER,
    row(22),  # line 28
]
FILE = HEADER + b"".join(ROWS)
CONTROL = re.compile(r"[ \n]+")


@pytest.fixture(autouse=True)
def one_chunk(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNK_SIZE_BYTES", "1000000")


def loaded(cloud: Cloud, body: Any = FILE) -> Any:
    """The ledger's entry of a load of the file."""
    load_id = cloud.load(cloud.put(body))["load_id"]
    return Loads(cloud.dynamodb, cloud.ledger_table).load(load_id)


def audited(cloud: Cloud, load: Any, **options: Any) -> Any:
    stack: Any = SimpleNamespace(
        name="tickets",
        table=cloud.table,
        client={"s3": cloud.s3, "dynamodb": cloud.dynamodb}.__getitem__,
    )
    return audit_load(stack, load, **options)


def counts(found: Any) -> Any:
    names = ("as_loaded", "other_values", "missing", "rows_superseded", "rows_refused")
    return tuple(getattr(found, name) for name in names)


def delete(cloud: Cloud, ticket: Any, product: str = "Tea") -> None:
    key = {"ticket_id": {"S": ticket}, "product": {"S": product}}
    cloud.dynamodb.delete_item(TableName=cloud.table, Key=key)


def change(cloud: Cloud, ticket: Any, **values: Any) -> None:
    cloud.dynamodb.update_item(
        TableName=cloud.table,
        Key={"ticket_id": {"S": ticket}, "product": {"S": "Tea"}},
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
        ExpressionAttributeNames={f"#{name}": name for name in values},
        ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
    )


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_load_that_nobody_has_touched_is_there_as_loaded(cloud: Cloud, pack: Any) -> None:
    load = loaded(cloud, pack(FILE))
    found = audited(cloud, load)
    assert counts(found) == (22, 0, 0, 1, 1)
    assert found.rows_read == 24
    assert found.rows_expected == found.rows_written_recorded == 22


def test_items_that_are_missing_or_changed_are_counted_and_their_lines_named(cloud: Cloud) -> None:
    load = loaded(cloud)
    delete(cloud, "T3")
    delete(cloud, "T21")
    change(cloud, "T5", store={"S": "Nice"})
    change(cloud, "T6", till={"N": "7"})
    change(cloud, "T0", quantity={"N": "1"})  # as in line 2, which is superseded
    change(cloud, "T7", quantity={"N": "1.0"})  # the same number
    found = audited(cloud, load)
    assert counts(found) == (17, 3, 2, 1, 1)
    assert found.missing_lines == [5, 24]
    assert found.other_values_lines == [7, 8, 26]


def test_lines_above_the_header_count(cloud: Cloud) -> None:
    load = loaded(cloud, b"Sales of November\n\n" + FILE)
    delete(cloud, "T3")
    assert audited(cloud, load).missing_lines == [7]


def test_only_the_first_lines_are_named(cloud: Cloud) -> None:
    load = loaded(cloud, HEADER + b"".join(row(at) for at in range(300)))
    for at in range(100, 150):
        delete(cloud, f"T{at}")
    found = audited(cloud, load)
    assert counts(found) == (250, 0, 50, 0, 0)
    assert found.missing_lines == list(range(102, 112))
    with console().capture() as captured:
        pass
    out = console()
    with out.capture() as captured:
        _print_audit(found, out)
    text = CONTROL.sub(" ", captured.get())
    assert "250 in the table as loaded" in text
    assert "50 missing 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, ..." in text


@pytest.mark.exhaustive
def test_equal_keys_are_found_wherever_they_are(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In many partitions, and through buffers that are written in between."""
    monkeypatch.setattr(audit, "_partitions", lambda size: 7)
    rows = [row(at % 700, quantity=str(at % 30)) for at in range(4_000)]
    found = audited(cloud, loaded(cloud, HEADER + b"".join(rows)))
    assert counts(found) == (700, 0, 0, 3_300, 0)


def test_a_later_load_of_the_same_rows_is_told_apart(cloud: Cloud) -> None:
    load = loaded(cloud, HEADER + row(1) + row(2))
    loaded(cloud, HEADER + row(2, quantity="5") + row(3))
    found = audited(cloud, load)
    assert (counts(found), found.other_values_lines) == ((1, 1, 0, 0, 0), [3])


def test_rows_that_the_table_has_refused_are_not_expected(cloud: Cloud) -> None:
    watch(refused=b'"Bad"')
    body = HEADER + row(1) + row(2) + row(2, "Bad") + row(3)
    found = audited(cloud, loaded(cloud, body))
    assert counts(found) == (3, 0, 0, 0, 1)


def test_numeric_keys_and_keys_of_indexes(cloud: Cloud) -> None:
    cloud.replace_table("quantity", types={"quantity": "N"}, indexes={"by_category": ["category"]})
    body = HEADER + row(1, quantity="007") + row(2, quantity="8") + row(3, quantity="+7")
    assert counts(audited(cloud, loaded(cloud, body))) == (2, 0, 0, 1, 0)


def test_an_index_that_was_added_later_makes_no_difference(cloud: Cloud) -> None:
    load = loaded(cloud, HEADER + row(1))
    [item] = cloud.items()
    assert item["category"] == ""
    cloud.dynamodb.update_table(
        TableName=cloud.table,
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"}
            for name in ("ticket_id", "product", "category")
        ],
        GlobalSecondaryIndexUpdates=[
            {
                "Create": {
                    "IndexName": "by_category",
                    "KeySchema": [{"AttributeName": "category", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            }
        ],
    )
    assert counts(audited(cloud, load)) == (1, 0, 0, 0, 0)


def test_an_index_that_was_deleted_later_makes_no_difference(cloud: Cloud) -> None:
    cloud.replace_table(indexes={"by_category": ["category"]})
    load = loaded(cloud, HEADER + row(1))
    [item] = cloud.items()
    assert "category" not in item
    cloud.dynamodb.update_table(
        TableName=cloud.table,
        GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by_category"}}],
    )
    assert counts(audited(cloud, load)) == (1, 0, 0, 0, 0)


def test_a_table_that_was_created_again_is_said_to_be_another(cloud: Cloud) -> None:
    with table_ids():
        load = loaded(cloud)
        assert not audited(cloud, load).table_replaced
        cloud.replace_table()
        found = audited(cloud, load)
    assert (found.table_replaced, found.missing) == (True, 22)


def test_without_the_object_or_the_table_there_is_nothing_to_compare(cloud: Cloud) -> None:
    load = loaded(cloud)
    cloud.s3.delete_object(Bucket=load["bucket"], Key=load["key"], VersionId=load["version_id"])
    with pytest.raises(CommandError, match="does not exist"):
        audited(cloud, load)
    cloud.dynamodb.delete_table(TableName=cloud.table)
    with pytest.raises(CommandError, match="Table Tickets does not exist"):
        audited(cloud, load)


def test_an_object_that_was_archived_since_is_a_sentence_for_the_auditor(cloud: Cloud) -> None:
    given = cloud.put(FILE)
    load_id = cloud.load(given)["load_id"]
    cloud.archive(given)
    with pytest.raises(CommandError) as caught:
        audited(cloud, Loads(cloud.dynamodb, cloud.ledger_table).load(load_id))
    assert str(caught.value) == (
        f"The object is archived: s3://{given['bucket']}/{given['key']}. The load can be audited"
        " once you can read the object."
    )


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]) -> Any:
    """Makes a source apply to every key."""

    def apply(one: Source) -> None:
        sources = Sources(one, ())
        monkeypatch.setattr("handlers.validate_file.deployed_sources", lambda: sources)
        fresh_clients()

    return apply


ADDED_UP = HEADER + b"".join(
    [
        *[row(at % 4, quantity=str(at)) for at in range(11)],  # lines 2 to 12
        row(5, quantity="9" * 38),
        row(5, quantity="3"),  # line 14: the total would have 39 digits
        row(5, quantity="-8"),
        row(6, quantity="x"),
    ]
)
"""Of the 15 rows, 5 are written, 8 are added to them, and 2 are refused."""


@pytest.mark.parametrize("rows_per_partition", [400_000, 1])
def test_totals_are_compared(
    cloud: Cloud, source: Any, monkeypatch: pytest.MonkeyPatch, rows_per_partition: int
) -> None:
    monkeypatch.setattr(audit, "_ROWS_PER_PARTITION", rows_per_partition)
    source(tickets_with(equalKeys="sum"))
    load = loaded(cloud, ADDED_UP)
    found = audited(cloud, load)
    assert counts(found) == (5, 0, 0, 0, 2)
    assert (found.rows_read, found.rows_combined) == (15, 8)
    assert found.rows_expected == found.rows_written_recorded
    change(cloud, "T0", quantity={"N": "8"})  # that of the last row alone
    found = audited(cloud, load)
    assert counts(found) == (4, 1, 0, 0, 2)
    assert found.other_values_lines == [10]


def test_rows_that_are_not_unique_are_refused(cloud: Cloud, source: Any) -> None:
    unique = {"ticket_id": {"constraints": {"required": True, "unique": True}}}
    source(tickets_with(unique, primary_key=["ticket_id"]))
    cloud.replace_table("ticket_id")
    found = audited(cloud, loaded(cloud, HEADER + row(1) * 2 + b"".join(map(row, range(2, 30)))))
    assert counts(found) == (29, 0, 0, 0, 1)
