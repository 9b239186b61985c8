"""`tickets query`: the key, an index or a scan, all pages, and times in every accepted form."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.support.command_line import assert_sentence, lines, tickets
from tests.support.moto_server import create_table
from tickets.runs import connect
from tickets.runs.query import find_access_path, instant
from tickets.runs.stack import Stack

INDEXES = {"by_product": ("product", "timestamp"), "by_basket": ("basket_id", "timestamp")}


class Table:
    """The table of the stack that the command finds, and the requests that the command sends."""

    def __init__(self) -> None:
        session = boto3.Session("test", "test", region_name="eu-west-1")
        self.stack = Stack("tickets", "eu-west-1", {"TableName": "Tickets"}, session)
        self.client = self.stack.client("dynamodb")
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.client.meta.events.register("provide-client-params.dynamodb.*", self._note)

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if model.name in ("Query", "Scan"):
            self.requests.append((model.name, params))

    def put(self, ticket: str, product: str = "Soap", **others: Any) -> None:
        item = {"basket_id": "B1", "timestamp": "2026-03-01T12:00Z", "quantity": 2, **others}
        item |= {"ticket_id": ticket, "product": product}
        wire = {
            name: {"N": str(value)} if isinstance(value, int | float) else {"S": value}
            for name, value in item.items()
        }
        self.client.put_item(TableName="Tickets", Item=wire)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    """Of no key yet."""
    with mock_aws():
        table = Table()
        monkeypatch.setattr(connect, "find_stack", lambda *_: table.stack)
        yield table


@pytest.fixture
def indexed(table: Table) -> Table:
    create_table(table.client, "Tickets", "ticket_id", "product", indexes=INDEXES)
    return table


@pytest.fixture
def plain(table: Table) -> Table:
    create_table(table.client, "Tickets", "ticket_id", "product")
    return table


def found(*arguments: str) -> list[str]:
    result = tickets("query", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return [row["ticket_id"] for row in lines(result)]


# --- how rows are found


def test_a_ticket_is_found_by_the_tables_key(indexed: Table) -> None:
    for ticket, product in [("T1", "Soap"), ("T2", "Soap"), ("T1", "Bread")]:
        indexed.put(ticket, product)
    rows = lines(tickets("query", "--ticket", "T1", "--json"))
    assert [row["product"] for row in rows] == ["Bread", "Soap"]
    [(operation, request)] = indexed.requests
    assert (operation, request["ConsistentRead"]) == ("Query", True)
    assert "IndexName" not in request


@pytest.mark.parametrize(
    ("arguments", "index"),
    [(("--product", "Soap"), "by_product"), (("--basket", "B7"), "by_basket")],
)
def test_a_product_or_a_basket_is_found_by_its_index(
    indexed: Table, arguments: tuple[str, str], index: str
) -> None:
    indexed.put("T1", "Soap", basket_id="B7")
    indexed.put("T2", "Bread", basket_id="B8")
    assert found(*arguments) == ["T1"]
    [(operation, request)] = indexed.requests
    assert (operation, request["IndexName"]) == ("Query", index)


def test_without_an_index_a_scan_has_to_be_asked_for(plain: Table) -> None:
    plain.put("T1")
    plain.put("T2", "Bread")
    assert_sentence(tickets("query", "--product", "Soap"), "pass --scan")
    assert plain.requests == []
    assert found("--product", "Soap", "--scan") == ["T1"]
    assert [operation for operation, _ in plain.requests] == ["Scan"]


def test_scan_is_not_used_if_there_is_an_index(indexed: Table) -> None:
    indexed.put("T1")
    assert found("--product", "Soap", "--scan") == ["T1"]
    assert [operation for operation, _ in indexed.requests] == ["Query"]


def test_an_index_of_a_table_with_another_key_finds_a_ticket(table: Table) -> None:
    create_table(
        table.client,
        "Tickets",
        "basket_id",
        indexes={"tickets": ["ticket_id"], "products": ["product"]},
    )
    table.put("T1")
    assert found("--ticket", "T1") == found("--product", "Soap") == found("--basket", "B1")
    assert [request.get("IndexName") for _, request in table.requests] == [
        "tickets",
        "products",
        None,
    ]


def test_a_numeric_key_is_compared_as_a_number(table: Table) -> None:
    create_table(table.client, "Tickets", "ticket_id", types={"ticket_id": "N"})
    item = {"ticket_id": {"N": "7"}, "product": {"S": "Soap"}}
    table.client.put_item(TableName="Tickets", Item=item)
    assert lines(tickets("query", "--ticket", "7", "--json")) == [
        {"ticket_id": 7, "product": "Soap"}
    ]
    assert_sentence(tickets("query", "--ticket", "seven"), "ticket_id is a number in table Tickets")


def described(table: Table, **changes: Any) -> Stack:
    """The stack, with a table whose two indexes on product are described like this."""

    class Client:
        def describe_table(self, **_: Any) -> Any:
            one = {
                "IndexName": "one",
                "IndexStatus": "ACTIVE",
                "KeySchema": [{"AttributeName": "product", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
            ticket = {"AttributeName": "ticket_id"}
            return {
                "Table": {
                    "AttributeDefinitions": [{**ticket, "AttributeType": "S"}],
                    "KeySchema": [{**ticket, "KeyType": "HASH"}],
                    "GlobalSecondaryIndexes": [one, {**one, "IndexName": "two", **changes}],
                }
            }

    return replace(table.stack, _clients={"dynamodb": Client()})


@pytest.mark.parametrize(
    ("changes", "index"),
    [
        (
            {
                "KeySchema": [
                    {"AttributeName": "product", "KeyType": "HASH"},
                    {"AttributeName": "timestamp", "KeyType": "RANGE"},
                ]
            },
            "two",
        ),
        ({"IndexName": "an_earlier_name"}, "an_earlier_name"),
        ({"IndexName": "an_earlier_name", "IndexStatus": "CREATING"}, "one"),
        ({"IndexName": "an_earlier_name", "Projection": {"ProjectionType": "KEYS_ONLY"}}, "one"),
        (
            {
                "IndexName": "an_earlier_name",
                "KeySchema": [
                    {"AttributeName": "product", "KeyType": "HASH"},
                    {"AttributeName": "store", "KeyType": "HASH"},
                ],
            },
            "one",
        ),
    ],
)
def test_an_index_must_be_ready_and_complete_and_one_by_time_is_best(
    table: Table, changes: dict[str, Any], index: str
) -> None:
    path = find_access_path(described(table, **changes), "product", may_scan=False)
    assert path.index == index


# --- pages


@pytest.mark.parametrize("arguments", [["--product", "Soap"], ["--basket", "B1", "--scan"]])
def test_all_pages_are_read(table: Table, arguments: list[str]) -> None:
    """50 items of 60 KB are three pages of 1 MB."""
    index = {"by_product": ["product"]}
    create_table(table.client, "Tickets", "ticket_id", "product", indexes=index)
    names = [f"T{at:02}" for at in range(50)]
    for name in names:
        table.put(name, note="x" * 60_000)
    assert sorted(found(*arguments)) == names
    assert len(table.requests) >= 3


def test_a_limit_counts_rows_and_not_what_is_read(plain: Table) -> None:
    for at in range(20):
        plain.put(f"T{at:02}", "Soap" if at % 4 == 0 else "Bread")
    assert len(found("--product", "Soap", "--scan", "--limit", "3")) == 3
    assert len(found("--product", "Soap", "--scan", "--limit", "9")) == 5
    assert len(plain.requests) == 2  # pages are not made smaller


def test_a_limit_with_times_counts_rows_that_are_within_them(indexed: Table) -> None:
    for hour in range(20):
        indexed.put(f"T{hour:02}", timestamp=f"2026-03-01T{hour:02}:00Z")
    arguments = ("--product", "Soap", "--since", "2026-03-01T10:00Z", "--limit", "3")
    assert found(*arguments) == ["T10", "T11", "T12"]


def test_a_limit_reads_no_more_than_that(indexed: Table) -> None:
    for at in range(9):
        indexed.put(f"T{at}")
    assert len(found("--product", "Soap", "--limit", "2")) == 2
    assert [request["Limit"] for _, request in indexed.requests] == [2]


# --- times

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        *("2026-03-01T12:00Z", "2026-03-01t12:00z", "2026-03-01 12:00 UTC", "2026-03-01 12:00UTC"),
        *("2026-03-01 14:00 +02", "2026-03-01T14:00:00+0200", "2026-03-01 14:00:00.0 +02:00"),
        *("2026-02-28T13:00:00.000000000-23", "2026-03-01 12:00", "2026-03-01T12:00:00"),
    ],
)
def test_forms_of_one_instant(text: str) -> None:
    assert instant(text) == NOON


def test_a_date_alone_is_its_beginning_in_utc() -> None:
    assert instant("2026-03-01") == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "01/02/2026", "2026-02-30", "20260301", "1772366400"])
def test_another_text_is_no_instant(text: str) -> None:
    assert instant(text) is None


@pytest.mark.parametrize(
    ("arguments", "is_key"),
    [
        (("--product", "Soap"), True),
        (("--ticket", "T"), False),
        (("--product", "Soap", "--scan"), False),
    ],
    ids=["sort key", "table's key", "scan"],
)
def test_times_are_compared_as_instants(
    table: Table, arguments: tuple[str, ...], is_key: bool
) -> None:
    indexes = INDEXES if is_key else None
    create_table(table.client, "Tickets", "ticket_id", "basket_id", indexes=indexes)
    rows = {
        "at the start": "2026-03-01T10:00Z",
        "before, with a later text": "2026-03-02T08:59+23:00",
        "within, with an earlier date": "2026-02-28T13:00 -23",
        "within, no offset": "2026-03-01 11:59",
        "at the end": "2026-03-01T12:00Z",
        "after, with an earlier text": "2026-03-01T01:00-12:00",
        "only a date": "2026-03-01",
        "not a time": "soon",
    }
    for name, timestamp in rows.items():
        table.put("T", basket_id=name, timestamp=timestamp)

    def baskets(*times: str) -> set[str]:
        return {row["basket_id"] for row in lines(tickets("query", *arguments, *times, "--json"))}

    since, until = ("--since", "2026-03-01T10:00"), ("--until", "2026-03-01T13:00+01:00")
    start = {"at the start", "within, no offset"}
    assert baskets() == rows.keys()
    assert baskets(*since, *until) == start
    assert baskets(*since) == start | {
        "within, with an earlier date",
        "at the end",
        "after, with an earlier text",
    }
    assert baskets(*until) == start | {"before, with a later text", "only a date"}


def test_times_limit_what_is_read_if_the_index_is_sorted_by_them(indexed: Table) -> None:
    found("--product", "Soap", "--since", "2026-03-01", "--until", "2026-04-01")
    found("--product", "Soap", "--since", "0001-01-01T00:00Z", "--until", "9999-12-31")
    ((_, bounded), (_, unbounded)) = indexed.requests
    assert bounded["KeyConditionExpression"].endswith(" AND #time BETWEEN :since AND :until")
    values = bounded["ExpressionAttributeValues"]
    assert (values[":since"]["S"], values[":until"]["S"]) == ("2026-02-28", "2026-04-03")
    assert "#time" not in unbounded["KeyConditionExpression"]


# --- what is printed


def test_numbers_are_numbers_and_other_types_are_json(plain: Table) -> None:
    plain.put("T1", "Soap", quantity=3, price=2.5)
    plain.client.update_item(
        TableName="Tickets",
        Key={"ticket_id": {"S": "T1"}, "product": {"S": "Soap"}},
        UpdateExpression="SET "
        + ", ".join(f"{name} = :{name}" for name in ("tags", "paid", "note", "photo", "parts")),
        ExpressionAttributeValues={
            ":tags": {"NS": ["2", "1"]},
            ":paid": {"BOOL": True},
            ":note": {"NULL": True},
            ":photo": {"B": b"\x00\xff"},
            ":parts": {"L": [{"M": {"n": {"N": "12345678901234567890"}}}]},
        },
    )
    [row] = lines(tickets("query", "--ticket", "T1", "--json"))
    assert list(row)[:3] == ["ticket_id", "product", "basket_id"]
    assert (row["quantity"], row["price"], row["tags"]) == (3, 2.5, [1, 2])
    assert (row["paid"], row["note"], row["photo"]) == (True, None, "AP8=")
    assert row["parts"] == [{"n": 12345678901234567890}]


def test_one_line_per_row_however_long(plain: Table) -> None:
    store = "Lyon\nPart-Dieu " + "x" * 300
    plain.put("T1", store=store)
    plain.put("T1", "Bread", category="", store="Lyon\x1b[2J")
    result = tickets("query", "--ticket", "T1")
    bread, soap = result.stdout.splitlines()
    assert bread == (
        "ticket_id=T1  product=Bread  basket_id=B1  timestamp=2026-03-01T12:00Z  "
        'category=""  quantity=2  store="Lyon\\u001b[2J"'
    )
    assert soap.endswith(f"  store={json.dumps(store)}")
    assert result.stderr == "2 rows of table Tickets, found by its key.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--product", "Soap"), "1 row of table Tickets, found by its index by_product.\n"),
        (
            ("--product", "Soap", "--limit", "1"),
            "1 row of table Tickets, found by its index by_product; --limit may have left out "
            "others.\n",
        ),
        (("--basket", "B9"), "0 rows of table Tickets, found by its index by_basket.\n"),
    ],
)
def test_how_rows_were_found(indexed: Table, arguments: tuple[str, ...], words: str) -> None:
    indexed.put("T1")
    assert tickets("query", *arguments).stderr == words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Name one ticket, product or basket"),
        (("--ticket", "T1", "--product", "Soap"), "Name one ticket, product or basket"),
        (("--product", ""), "Name one ticket, product or basket"),
        (("--ticket", "T1", "--until", "tomorrow"), "--until tomorrow is not a date or time"),
    ],
)
def test_wrong_use(arguments: tuple[str, ...], words: str) -> None:
    assert_sentence(tickets("query", *arguments), words)
