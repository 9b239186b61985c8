"""Two different files for one S3 key, and what their loads left behind: for the tests of versions
and of uploads with the same bytes."""

import json
from typing import Any

from ingestion.ledger.claims import Claims
from tests.support.cloud import Cloud

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"
KEY = "store-12/a.csv"


def rows(*tickets: Any, store: str = "Lyon") -> bytes:
    line = "{},Tea,B1,2025-11-23T08:00:00Z,Drinks,1,{}\n"
    return HEADER + "".join(line.format(one, store) for one in tickets).encode()


A, B = rows("T1", "T2"), rows("T1", "T3", store="Nice")


def url(cloud: Cloud) -> str:
    return f"s3://{cloud.uploads}/{KEY}"


def claims(cloud: Cloud) -> Any:
    return Claims(cloud.dynamodb, cloud.ledger_table)


def stores(cloud: Cloud) -> Any:
    """The store of each ticket in the table. It shows which file the row is from."""
    return {item["ticket_id"]: item["store"] for item in cloud.items()}


def report(cloud: Cloud, result: Any) -> Any:
    return json.loads(cloud.read_url(result["report"]))
