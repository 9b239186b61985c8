"""A table as DescribeTable describes it, and why rows can't be written to it."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ingestion.dynamodb.table_schema import TableSchema, read_table_schema

PROVIDED = {
    "ticket_id": ("S", "N"),
    "product": ("S", "N"),
    "timestamp": ("S",),
    "category": ("S", "N"),
    "quantity": ("N",),
}


def described(types: str, key: str, **indexes: str) -> dict[str, Any]:
    """A table's description. `types` is written as `ticket_id=S product=N`, a key as
    `HASH=ticket_id RANGE=product`, and an index whose name begins with `local` is one."""

    def schema(text: str) -> list[dict[str, str]]:
        pairs = [one.split("=") for one in text.split()]
        return [{"AttributeName": name, "KeyType": kind} for kind, name in pairs]

    found: dict[str, Any] = {
        "TableName": "Tickets",
        "TableId": "id-1",
        "TableStatus": "ACTIVE",
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": kind}
            for name, kind in (one.split("=") for one in types.split())
        ],
        "KeySchema": schema(key),
    }
    for name, keys in indexes.items():
        kind = "LocalSecondaryIndexes" if name.startswith("local") else "GlobalSecondaryIndexes"
        found.setdefault(kind, []).append({"IndexName": name, "KeySchema": schema(keys)})
    return found


class Client:
    """A DynamoDB client that has one table, or answers with an error."""

    def __init__(self, answer: dict[str, Any] | str) -> None:
        self._answer = answer

    def describe_table(self, *, TableName: str) -> dict[str, Any]:
        if isinstance(self._answer, str):
            raise ClientError({"Error": {"Code": self._answer, "Message": ""}}, "DescribeTable")
        return {"Table": self._answer}


def read(answer: dict[str, Any] | str) -> TableSchema | None:
    client: Any = Client(answer)
    return read_table_schema(client, "Tickets")


def schema(types: str, key: str, status: str = "ACTIVE", **indexes: str) -> TableSchema:
    found = read(described(types, key, **indexes) | {"TableStatus": status})
    assert found is not None
    return found


def mismatches(table: TableSchema) -> list[tuple[str, str | None]]:
    return [(one.reason, one.attribute) for one in table.mismatches(PROVIDED)]


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("HASH=ticket_id", ("ticket_id",)),
        ("HASH=ticket_id RANGE=product", ("ticket_id", "product")),
        ("RANGE=product HASH=ticket_id", ("ticket_id", "product")),
        ("HASH=timestamp RANGE=category", ("timestamp", "category")),
    ],
)
def test_the_key_is_read_partition_key_first(key: str, names: tuple[str, ...]) -> None:
    table = schema("ticket_id=S product=S timestamp=S category=S", key)
    assert table.key_names == names
    assert [one.max_bytes for one in table.key] == [2048, 1024][: len(names)]
    assert (table.table_id, mismatches(table)) == ("id-1", [])


def test_a_table_that_is_not_there_is_none() -> None:
    assert read("ResourceNotFoundException") is None


@pytest.mark.parametrize("code", ["AccessDeniedException", "InternalServerError"])
def test_outages_and_missing_permissions_are_raised(code: str) -> None:
    with pytest.raises(ClientError, match=code):
        read(code)


def test_an_emulator_may_give_no_id_and_no_status() -> None:
    table = described("ticket_id=S", "HASH=ticket_id")
    del table["TableId"], table["TableStatus"]
    found = read(table)
    assert found is not None
    assert (found.table_id, mismatches(found)) == (None, [])


@pytest.mark.parametrize(
    ("types", "key", "numeric"),
    [
        ("ticket_id=N", "HASH=ticket_id", {"ticket_id"}),
        ("ticket_id=S quantity=N", "HASH=ticket_id RANGE=quantity", {"quantity"}),
        ("ticket_id=S category=N", "HASH=ticket_id RANGE=category", {"category"}),
    ],
)
def test_numeric_keys_fit(types: str, key: str, numeric: set[str]) -> None:
    table = schema(types, key)
    assert mismatches(table) == []
    assert table.numeric_key == numeric


@pytest.mark.parametrize(
    ("types", "key", "reason", "detail"),
    [
        (
            "order_id=S product=S",
            "HASH=order_id RANGE=product",
            ("key_not_provided", "order_id"),
            "Table Tickets has the key attribute order_id (type S), which no column provides.",
        ),
        (
            "ticket_id=S quantity=S",
            "HASH=ticket_id RANGE=quantity",
            ("key_type", "quantity"),
            "Table Tickets has the key attribute quantity of type S, "
            "but the column provides type N.",
        ),
        (
            "ticket_id=S timestamp=N",
            "HASH=ticket_id RANGE=timestamp",
            ("key_type", "timestamp"),
            "Table Tickets has the key attribute timestamp of type N, "
            "but the column provides type S.",
        ),
        (
            "ticket_id=B",
            "HASH=ticket_id",
            ("key_type", "ticket_id"),
            "Table Tickets has the key attribute ticket_id of type B, "
            "but the column provides type S.",
        ),
    ],
)
def test_a_key_that_does_not_fit_is_named(
    types: str, key: str, reason: tuple[str, str], detail: str
) -> None:
    table = schema(types, key)
    assert mismatches(table) == [reason]
    assert table.mismatches(PROVIDED)[0].detail == detail


@pytest.mark.parametrize(
    ("attribute", "wanted", "provided"),
    [("quantity", "S", "N"), ("category", "N", "S"), ("category", "B", "S")],
)
@pytest.mark.parametrize(
    "index",
    [
        {"by_it": "HASH={}"},
        {"by_it": "HASH=product RANGE={}"},
        {"by_it": "HASH=product HASH={}"},  # a key of several attributes
        {"local_by_it": "HASH=ticket_id RANGE={}"},
    ],
)
def test_the_key_of_an_index_that_does_not_fit_is_named(
    attribute: str, wanted: str, provided: str, index: dict[str, str]
) -> None:
    [(name, key)] = index.items()
    types = f"ticket_id=S product=S {attribute}={wanted}"
    table = schema(types, "HASH=ticket_id", **{name: key.format(attribute)})
    assert mismatches(table) == [("index_key_type", attribute)]
    assert table.mismatches(PROVIDED)[0].detail == (
        f"Index {name} of table Tickets has the key attribute {attribute} of type {wanted}, "
        f"but the column provides type {provided}."
    )


def test_all_that_does_not_fit_is_named() -> None:
    table = schema("order_id=S quantity=S", "HASH=order_id RANGE=quantity", by="HASH=quantity")
    assert mismatches(table) == [("key_not_provided", "order_id"), ("key_type", "quantity")]


@pytest.mark.parametrize(
    "index",
    [
        {"by_customer": "HASH=customer"},  # its items are simply not in this index
        {"by_product": "HASH=product RANGE=ticket_id"},
        {"local_by_quantity": "HASH=ticket_id RANGE=quantity"},
    ],
)
def test_indexes_that_rows_fit_or_are_not_in(index: dict[str, str]) -> None:
    types = "ticket_id=N product=S customer=B quantity=N"
    assert mismatches(schema(types, "HASH=ticket_id", **index)) == []


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("ACTIVE", []),
        ("UPDATING", []),
        ("CREATING", [("table_not_active", None)]),
        ("DELETING", [("table_not_active", None)]),
        ("INACCESSIBLE_ENCRYPTION_CREDENTIALS", [("table_not_active", None)]),
    ],
)
def test_a_table_that_takes_no_writes_is_named(status: str, expected: list[Any]) -> None:
    assert mismatches(schema("ticket_id=S", "HASH=ticket_id", status)) == expected


def test_keys_of_indexes_only_have_the_smallest_limit_of_all_of_them() -> None:
    table = schema(
        "ticket_id=S product=S category=S quantity=N",
        "HASH=ticket_id",
        a="HASH=category RANGE=ticket_id",
        b="HASH=product RANGE=category",
        local_c="HASH=ticket_id RANGE=quantity",
    )
    limits = {name: one.max_bytes for name, one in table.index_only_keys.items()}
    assert limits == {"category": 1024, "product": 2048, "quantity": 1024}
