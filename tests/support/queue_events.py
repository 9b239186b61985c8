"""The event with which Lambda calls start_execution: a batch of SQS messages."""

from typing import Any

SENT_AT = "1763974800501"
"""2025-11-24T09:00:00.501Z, in milliseconds since the epoch."""


def queue_record(message_id: str, body: str, receives: int = 1) -> dict[str, Any]:
    """A message that has been received `receives` times."""
    attributes = {"ApproximateReceiveCount": str(receives), "SentTimestamp": SENT_AT}
    return {"messageId": message_id, "body": body, "attributes": attributes}
