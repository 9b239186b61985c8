"""The target table: it is checked before a load, and must stay the same during the load."""

from collections.abc import Iterator
from typing import Any

import pytest

from ingestion.errors import TableMismatch, TableRefusesEveryRow
from tests.support.cloud import Cloud
from tests.support.moto_server import table_ids
from tests.support.watched_sender import watch

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"
REPLACED = "The table was replaced while the load was running"


@pytest.fixture(autouse=True)
def ids() -> Iterator[Any]:
    with table_ids():
        yield


def row(at: Any, product: str = "Tea", category: str = "Drinks", quantity: str = "1") -> bytes:
    return f"{at},{product},B1,2025-11-23T08:00:00Z,{category},{quantity},Lyon\n".encode()


def file_of(*rows: Any) -> bytes:
    return HEADER + b"".join(rows)


def table_id(cloud: Cloud) -> Any:
    return cloud.dynamodb.describe_table(TableName=cloud.table)["Table"]["TableId"]


def chunk_entry(cloud: Cloud, state: Any, chunk: Any) -> Any:
    name = f"chunk#{state['plan']['generation']}#{chunk['index']:06d}"
    return cloud.entry(state["load_id"], name)


def refused(cloud: Cloud, state: Any, chunk: Any) -> list[Any]:
    """The listed rows of a chunk as `(line in the chunk, column, reason, raw)`."""
    return [tuple(row) for row in cloud.listed_rows(state, chunk["index"])]


def planned(cloud: Cloud, body: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The state of a load of one chunk, and that chunk."""
    monkeypatch.setenv("CHUNK_SIZE_BYTES", "1000000")
    state, [chunk] = cloud.plan(cloud.put(body))
    assert cloud.take_turn(state) == "mine"
    return state, chunk


# ---------------------------------------------------------------- before the load


@pytest.mark.parametrize(
    ("key", "options", "reason", "detail"),
    [
        (
            ("order_id",),
            {},
            ("key_not_provided", "order_id"),
            "Table Tickets has the key attribute order_id (type S), which no column provides.",
        ),
        (
            ("ticket_id", "quantity"),
            {},
            ("key_type", "quantity"),
            "Table Tickets has the key attribute quantity of type S, "
            "but the column provides type N.",
        ),
        (
            ("ticket_id",),
            {"indexes": {"by_quantity": ["quantity"]}},
            ("index_key_type", "quantity"),
            "Index by_quantity of table Tickets has the key attribute quantity of type S, "
            "but the column provides type N.",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_refused_before_anything_is_written(
    cloud: Cloud, key: Any, options: dict[str, Any], reason: Any, detail: str
) -> None:
    cloud.replace_table(*key, **options)
    answer = cloud.validate(cloud.put(file_of(row(1))))
    assert (answer["verdict"], answer["file"]) == ("refused", None)
    assert [(one["reason"], one["column"]) for one in answer["reasons"]] == [reason]
    assert answer["summary"] == detail
    entry = cloud.entry(answer["load_id"])
    assert (entry["status"], entry["summary"]) == ("FAILED", detail)


def test_a_missing_table_is_refused(cloud: Cloud) -> None:
    cloud.dynamodb.delete_table(TableName=cloud.table)
    answer = cloud.validate(cloud.put(file_of(row(1))))
    assert answer["verdict"] == "refused"
    assert answer["summary"] == "Table Tickets does not exist."


def test_what_is_wrong_with_the_file_is_told_as_well(cloud: Cloud) -> None:
    cloud.dynamodb.delete_table(TableName=cloud.table)
    answer = cloud.validate(cloud.put(b""))
    assert [one["reason"] for one in answer["reasons"]] == ["empty_file", "table_missing"]


def test_an_accepted_file_carries_the_id_of_its_table(cloud: Cloud) -> None:
    answer = cloud.validate(cloud.put(file_of(row(1))))
    assert answer["file"]["table_id"] == table_id(cloud)
    assert cloud.entry(answer["load_id"])["table_id"] == table_id(cloud)


@pytest.mark.parametrize("again", ["the same version", "the same bytes"])
def test_a_file_is_already_loaded_only_in_the_same_table(cloud: Cloud, again: str) -> None:
    request = cloud.put(file_of(row(1)))
    cloud.load(request)
    if again == "the same bytes":
        request = cloud.put(file_of(row(1)))
    assert cloud.validate(request)["verdict"] == "already_loaded"
    cloud.replace_table()
    answer = cloud.validate(request)
    assert (answer["verdict"], answer["file"]["table_id"]) == ("accepted", table_id(cloud))


# ---------------------------------------------------------------- while it is loaded


def recreate(cloud: Cloud) -> None:
    cloud.replace_table()


def delete(cloud: Cloud) -> None:
    cloud.dynamodb.delete_table(TableName=cloud.table)


def recreate_with_another_key(cloud: Cloud) -> None:
    cloud.replace_table("order_id")


@pytest.mark.parametrize("happens", [recreate, delete, recreate_with_another_key])
def test_a_table_replaced_before_a_chunk_is_not_written_to(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, happens: Any
) -> None:
    state, chunk = planned(cloud, file_of(row(1)), monkeypatch)
    happens(cloud)
    answer = cloud.write(state, chunk)
    assert (answer["finished"], answer["table_replaced"]) == (False, True)
    assert chunk_entry(cloud, state, chunk) is None
    if happens is not delete:
        assert cloud.items() == []


def test_a_table_replaced_while_a_chunk_is_written_leaves_no_progress(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, chunk = planned(cloud, file_of(*[row(at) for at in range(60)]), monkeypatch)
    watch(before=lambda batch: cloud.replace_table() if batch == 2 else None)
    answer = cloud.write(state, chunk)
    assert (answer["finished"], answer["table_replaced"]) == (False, True)
    assert chunk_entry(cloud, state, chunk) is None


@pytest.mark.parametrize("happens", [recreate, delete])
def test_a_load_whose_table_was_replaced_fails_though_all_chunks_are_finished(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, happens: Any
) -> None:
    state, chunk = planned(cloud, file_of(row(1)), monkeypatch)
    assert cloud.write(state, chunk)["finished"]
    happens(cloud)
    result = cloud.reconcile(state)
    assert (result["complete"], result["overtaken"]) == (False, False)
    assert result["summary"].startswith(REPLACED)
    assert cloud.entry(state["load_id"])["status"] == "FAILED"


def test_an_execution_that_began_before_an_update_does_not_know_its_table(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, chunk = planned(cloud, file_of(row(1)), monkeypatch)
    del state["file"]["table_id"]
    cloud.replace_table()
    assert cloud.write(state, chunk)["finished"]
    assert cloud.reconcile(state)["complete"]
    cloud.dynamodb.delete_table(TableName=cloud.table)
    assert cloud.reconcile(state)["complete"]


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (delete, "Table Tickets does not exist"),
        (recreate_with_another_key, "Tickets has the key attribute order_id"),
    ],
)
def test_such_an_execution_fails_with_what_is_wrong(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, happens: Any, why: str
) -> None:
    """Its definition has no answer for that, so it is an error."""
    state, chunk = planned(cloud, file_of(row(1)), monkeypatch)
    del state["file"]["table_id"]
    happens(cloud)
    with pytest.raises(TableMismatch, match=why):
        cloud.write(state, chunk)


# ---------------------------------------------------------------- numbers as keys, and indexes


def test_numeric_keys_are_compared_as_numbers(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.replace_table("ticket_id", types={"ticket_id": "N"})
    rows = [row("7", quantity="1"), row("008"), row("007", quantity="2"), row("T9"), row("7.50")]
    state, chunk = planned(cloud, file_of(*rows), monkeypatch)
    answer = cloud.write(state, chunk)
    assert {(item["ticket_id"], item["quantity"]) for item in cloud.items()} == {
        (7, 2),
        (8, 1),
        (7.5, 1),
    }
    assert [one[:3] for one in refused(cloud, state, chunk)] == [
        (1, "", "superseded"),
        (4, "ticket_id", "bad_number"),
    ]
    assert (answer["rows_written"], answer["rows_refused"]) == (3, 1)


def test_an_empty_key_of_an_index_is_left_out(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.replace_table(
        "ticket_id", indexes={"by_category": ["category", "ticket_id"], "by_till": ["till"]}
    )
    rows = [row(1), row(2, category=""), row(3, category="x" * 2048), row(4, category="x" * 2049)]
    state, chunk = planned(cloud, file_of(*rows), monkeypatch)
    assert cloud.write(state, chunk)["rows_written"] == 3
    items = {item["ticket_id"]: item for item in cloud.items()}
    assert (items["1"]["category"], items["1"]["store"]) == ("Drinks", "Lyon")
    assert "category" not in items["2"]
    assert refused(cloud, state, chunk)[0][:3] == (4, "category", "value_too_long")


# ---------------------------------------------------------------- rows that the table refuses


def test_rows_that_the_table_refuses_are_listed_and_all_others_written(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row(at, product="Bad" if at in (3, 40, 41) else "Tea") for at in range(60)]
    rows[10] = b"\n"
    state, chunk = planned(cloud, file_of(*rows), monkeypatch)
    watch(refused=b'"Bad"')
    answer = cloud.write(state, chunk)
    assert (answer["finished"], answer["rows_written"], answer["rows_refused"]) == (True, 56, 3)
    assert refused(cloud, state, chunk) == [
        (at + 1, "", "refused_by_table", row(at, product="Bad").decode().strip())
        for at in (3, 40, 41)
    ]
    assert len(cloud.items()) == 56
    result = cloud.reconcile(state)
    assert result["complete"] is True
    assert b"refused_by_table" in cloud.read_url(result["refused_rows"])


def test_a_row_that_the_table_refuses_supersedes_nothing(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a row in the same batch nor one in an earlier batch."""
    cloud.replace_table("ticket_id")
    rows = [row(at) for at in range(60)]
    rows[30], rows[31], rows[32] = row(5, "Bad"), row(30, "Tea"), row(30, "Bad")
    rows[33], rows[34] = row(33, "Tea"), row(33, "Cake")
    state, chunk = planned(cloud, file_of(*rows), monkeypatch)
    watch(refused=b'"Bad"')
    answer = cloud.write(state, chunk)
    assert (answer["rows_written"], answer["rows_superseded"], answer["rows_refused"]) == (57, 1, 2)
    assert [one[:3] for one in refused(cloud, state, chunk)] == [
        (31, "", "refused_by_table"),
        (33, "", "refused_by_table"),
        (34, "", "superseded"),
    ]
    products = {item["ticket_id"]: item["product"] for item in cloud.items()}
    assert (products["5"], products["30"], products["33"]) == ("Tea", "Tea", "Cake")
    assert len(products) == 57


def test_a_table_that_refuses_every_row_fails_the_chunk(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, chunk = planned(cloud, file_of(*[row(at) for at in range(60)]), monkeypatch)
    watch(refused=b'"Tea"')
    with pytest.raises(TableRefusesEveryRow, match="Tickets refuses every row as invalid"):
        cloud.write(state, chunk)
    assert chunk_entry(cloud, state, chunk) is None


def test_rows_of_another_chunk_that_were_accepted_are_remembered(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHUNK_SIZE_BYTES", "1500")
    rows = [row(at, "Tea" if at < 40 else "Bad") for at in range(60)]
    state, [first, *others] = cloud.plan(cloud.put(file_of(*rows)))
    assert cloud.write(state, first)["finished"]
    watch(refused=b'"Bad"')
    answers = [cloud.write(state, chunk) for chunk in others]
    assert all(answer["finished"] for answer in answers)
    assert sum(answer["rows_refused"] for answer in answers) == 20
    assert len(cloud.items()) == 40
