"""Reads and writes entries of the ledger table, as dictionaries of plain Python values.

The values are None, booleans, integers, strings, lists and dictionaries. A set can be written, and
is read as a sorted list.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Entry = dict[str, Any]
MAX_BATCH_GET = 100
"""Items that one call of BatchGetItem can ask for."""


def now() -> str:
    """Returns the current time as a `timestamp`."""
    return timestamp(datetime.now(UTC).timestamp())


def timestamp(seconds: float) -> str:
    """Formats seconds since the epoch as the ledger does: ISO 8601, in UTC, with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(timestamp: str) -> float:
    """Converts a `timestamp` to seconds since the epoch."""
    return datetime.fromisoformat(timestamp).timestamp()


class Entries:
    """The entries of the ledger table. All reads except queries of indexes are strongly consistent.

    The partition key of an entry is its owner: the id of a load, the URL of an object, or the name
    of an execution after `execution#`. The attribute is called `load_id` in all cases. The sort
    key `entry` is the entry's name.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def get(self, owner: str, entry: str) -> Entry | None:
        answer = self._client.get_item(
            TableName=self._table, Key=_key(owner, entry), ConsistentRead=True
        )
        return deserialize(answer["Item"]) if "Item" in answer else None

    def get_all(self, names: Iterable[tuple[str, str]]) -> Iterator[Entry]:
        """Yields the entries that exist, in any order. `names` are their owners and
        names."""
        keys = [_key(*name) for name in names]
        for first in range(0, len(keys), MAX_BATCH_GET):
            some = keys[first : first + MAX_BATCH_GET]
            wanted: Any = {self._table: {"Keys": some, "ConsistentRead": True}}
            while wanted:
                answer = self._client.batch_get_item(RequestItems=wanted)
                yield from map(deserialize, answer["Responses"].get(self._table, []))
                wanted = answer["UnprocessedKeys"]

    def query_index(
        self, index: str, name: str, value: str, since: str, until: str
    ) -> Iterator[Entry]:
        """Yields the entries in an index with this value of the attribute `name`, and with a
        `started_at` from `since` up to `until`, the newest first. Indexes lag behind."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=index,
            KeyConditionExpression="#name = :value AND started_at BETWEEN :since AND :until",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues=_serialize(
                {":value": value, ":since": since, ":until": until}
            ),
            ScanIndexForward=False,
        )
        for page in pages:
            yield from map(deserialize, page["Items"])

    def query(self, owner: str, prefix: str, limit: int | None = None) -> Iterator[Entry]:
        """Yields the owner's entries whose names begin with `prefix`, sorted by name: all of
        them, or the first `limit`."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="load_id = :owner AND begins_with(entry, :prefix)",
            ExpressionAttributeValues=_serialize({":owner": owner, ":prefix": prefix}),
            PaginationConfig={"MaxItems": limit, "PageSize": limit} if limit else {},
        )
        for page in pages:
            yield from map(deserialize, page["Items"])

    def put(self, owner: str, entry: str, values: Mapping[str, Any]) -> None:
        item = {**values, "load_id": owner, "entry": entry}
        self._client.put_item(TableName=self._table, Item=_serialize(item))

    def put_if(
        self,
        owner: str,
        entry: str,
        values: Mapping[str, Any],
        condition: str,
        condition_values: Mapping[str, Any],
    ) -> bool:
        """Puts an entry if it does not exist, or if the existing entry meets the condition.

        Returns whether it was put. No existing entry meets an empty `condition`.
        """
        item = {**values, "load_id": owner, "entry": entry}
        expression = "attribute_not_exists(entry)"
        arguments: dict[str, Any] = {}
        if condition:
            expression += f" OR ({condition})"
            arguments["ExpressionAttributeValues"] = _serialize(condition_values)
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_serialize(item),
                ConditionExpression=expression,
                **arguments,
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def update(
        self,
        owner: str,
        entry: str,
        attributes: Mapping[str, Any],
        more: str = "",
        more_values: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Sets attributes of an entry, and returns the updated entry.

        `more` is appended to the update expression, and `more_values` are its values.
        """
        names = {f"#{number}": name for number, name in enumerate(attributes)}
        values = {f":{number}": value for number, value in enumerate(attributes.values())}
        assignments = ", ".join(f"{name} = :{name[1:]}" for name in names)
        answer = self._client.update_item(
            TableName=self._table,
            Key=_key(owner, entry),
            UpdateExpression=f"SET {assignments}{more}",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=_serialize({**values, **(more_values or {})}),
            ReturnValues="ALL_NEW",
        )
        return deserialize(answer["Attributes"])

    def delete(self, owner: str, entry: str) -> None:
        self._client.delete_item(TableName=self._table, Key=_key(owner, entry))

    def delete_if(
        self, owner: str, entry: str, condition: str, condition_values: Mapping[str, Any]
    ) -> None:
        """Deletes an entry, unless it does not exist or does not meet the condition."""
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.delete_item(
                TableName=self._table,
                Key=_key(owner, entry),
                ConditionExpression=condition,
                ExpressionAttributeValues=_serialize(condition_values),
            )


def _key(owner: str, entry: str) -> dict[str, Any]:
    return {"load_id": {"S": owner}, "entry": {"S": entry}}


def _serialize(values: Mapping[str, Any]) -> dict[str, Any]:
    serialize = TypeSerializer().serialize
    return {name: serialize(value) for name, value in values.items()}


def deserialize(item: Mapping[str, Any]) -> Entry:
    """Converts an item from DynamoDB JSON to plain values."""
    read = TypeDeserializer().deserialize
    return {name: _plain(read(value)) for name, value in item.items()}


def _plain(value: Any) -> Any:
    """Converts a value that boto3 has deserialized to one that JSON can represent.

    All numbers in the ledger are integers.
    """
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, set):
        return sorted(value)
    return value
