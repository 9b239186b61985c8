"""Sends batches to a server of BatchWriteItem. The emulated Python runs this file as a program.

Standard input is an object with `bodies`, which are sent to the endpoint of the environment, and
`others`, pairs of a URL and a file of CA certificates, each of which gets the first body. Standard
output is an object with what Python and its libraries are, and with the replies.
"""

import json
import platform
import sys
from typing import Any

import boto3
import pycurl

from ingestion.dynamodb.transport import Reply, Transport, dynamodb_transport

REPLY_SECONDS = 30


def send(transport: Transport, bodies: list[str]) -> list[tuple[int, str]]:
    """Sends the bodies all at once. Returns the status and the body of each reply."""
    for tag, body in enumerate(bodies):
        transport.send(tag, body.encode())
    replies: list[Reply] = []
    while transport.under_way:
        came = transport.replies(REPLY_SECONDS)
        if not came:
            raise TimeoutError
        replies += came
    return [(reply.status, reply.body.decode()) for reply in sorted(replies)]


def main(task: dict[str, Any]) -> dict[str, Any]:
    first = task["bodies"][:1]
    return {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "boto3": boto3.__version__,
        "pycurl": pycurl.__file__,
        "sent": send(dynamodb_transport(boto3.client("dynamodb")), task["bodies"]),
        "others": [
            send(Transport(url, lambda _: [], ca_file=ca_file), first)
            for url, ca_file in task["others"]
        ],
    }


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
