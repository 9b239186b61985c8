"""Reads and writes small objects in the work bucket, to which only the loader writes."""

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class ObjectExpired(Exception):
    """An object of an earlier execution is gone. Lifecycle rules remove plans, unpacked files and
    digests after PlanDays."""


def read_range(client: "S3Client", bucket: str, key: str, start: int, end: int) -> bytes:
    """A half-open range of an object in the work bucket, or as much of it as there is.

    Raises ObjectExpired.
    """
    try:
        answer = client.get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-{end - 1}")
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            raise ObjectExpired(key) from error
        raise
    body = answer["Body"].read()
    if answer["ResponseMetadata"]["HTTPStatusCode"] != 206:  # a server may ignore the range
        return body[start:end]
    return body


def read_json(client: "S3Client", bucket: str, key: str) -> Any:
    """The value of a JSON object in the work bucket."""
    return json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read())


def list_keys(client: "S3Client", bucket: str, prefix: str) -> set[str]:
    """The keys in the work bucket that begin with `prefix`."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {one["Key"] for page in pages for one in page.get("Contents", [])}


def write_json(client: "S3Client", bucket: str, key: str, value: Any) -> None:
    client.put_object(
        Bucket=bucket, Key=key, Body=json.dumps(value).encode(), ContentType="application/json"
    )
