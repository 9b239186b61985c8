"""The reader of `tickets audit`: partial answers and the rate cap, on a virtual clock."""

from typing import Any

from ingestion.csv_files.rows import Row
from ingestion.dynamodb.table_schema import KeyAttribute, TableSchema
from tickets.runs.table_reader import TableReader

SCHEMA = TableSchema("Tickets", "id", "ACTIVE", (KeyAttribute("id", "S", 2048),), ())


class SlowTable:
    """Answers with at most two items at a time. It has the items with even numbers."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.now = 0.0
        self.pauses: list[float] = []

    def batch_get_item(self, *, RequestItems: Any) -> dict[str, Any]:
        [(table, request)] = RequestItems.items()
        assert request["ConsistentRead"] is True
        keys = request["Keys"]
        self.asked.append([key["id"]["S"] for key in keys])
        found = [key for key in keys[:2] if int(key["id"]["S"]) % 2 == 0]
        left = {table: {"Keys": keys[2:], "ConsistentRead": True}} if keys[2:] else {}
        return {"Responses": {table: found}, "UnprocessedKeys": left}

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def reader(self, rate: float | None = None) -> TableReader:
        return TableReader(self, "Tickets", SCHEMA, rate, lambda: self.now, self.sleep)


def rows(count: int) -> list[Row]:
    return [Row((str(at),), {"id": {"S": str(at)}}) for at in range(count)]


def test_what_was_left_is_asked_for_again() -> None:
    table = SlowTable()
    found = list(table.reader().items(rows(5)))
    assert [item and item["id"]["S"] for item in found] == ["0", None, "2", None, "4"]
    assert table.asked == [["0", "1", "2", "3", "4"], ["2", "3", "4"], ["4"]]
    assert len(table.pauses) == 2


def test_the_rate_is_kept_from_the_first_row_on() -> None:
    table = SlowTable()
    reader = table.reader(rate=10)
    assert reader.batch_rows == 10
    for count in (2, 1, 2):
        list(reader.items(rows(count)))
    assert table.now == 0.5


def test_without_a_rate_it_asks_for_as_many_as_dynamodb_takes() -> None:
    assert SlowTable().reader().batch_rows == 100
