"""Reads and writes small objects of the work bucket, which the loader alone writes."""

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def read_range(client: "S3Client", bucket: str, key: str, start: int, end: int) -> bytes:
    """A range of an object of the work bucket, or as much of it as there is."""
    answer = client.get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-{end - 1}")
    body = answer["Body"].read()
    if answer["ResponseMetadata"]["HTTPStatusCode"] != 206:  # a server may ignore the range
        return body[start:end]
    return body


def read_json(client: "S3Client", bucket: str, key: str) -> Any:
    """An object of the work bucket that holds JSON."""
    return json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read())


def write_json(client: "S3Client", bucket: str, key: str, value: Any) -> None:
    client.put_object(
        Bucket=bucket, Key=key, Body=json.dumps(value).encode(), ContentType="application/json"
    )
