"""A stack that only describes itself: its parameters and its table."""

from typing import Any

CHUNK_SIZE = 16 * 1024 * 1024
PARAMETERS = {
    "ChunkSizeBytes": str(CHUNK_SIZE),
    "MaxRefusedPercent": "5",
    "MaxSupersededPercent": "50",
}
"""Their defaults on AWS."""
TICKETS = {"ticket_id": "S", "product": "S"}
"""The types of the table's key attributes, the partition key first."""


class DescribedStack:
    """Answers DescribeStacks and DescribeTable."""

    table, name = "Tickets", "tickets"

    def __init__(self, key: dict[str, str] | None = None, **parameters: str) -> None:
        self._key = key or TICKETS
        self._parameters = {**PARAMETERS, **parameters}

    def client(self, service: str) -> Any:
        return self

    def describe_stacks(self, **_: Any) -> Any:
        listed = [
            {"ParameterKey": name, "ParameterValue": value}
            for name, value in self._parameters.items()
        ]
        return {"Stacks": [{"Parameters": listed}]}

    def describe_table(self, **_: Any) -> Any:
        kinds = zip(self._key, ("HASH", "RANGE"), strict=False)
        return {
            "Table": {
                "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in kinds],
                "AttributeDefinitions": [
                    {"AttributeName": name, "AttributeType": kind}
                    for name, kind in self._key.items()
                ],
            }
        }
