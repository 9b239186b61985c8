"""Reads the state machine's definition with sample values, or with given ones.

python -m tools.definition      prints the definition with sample values as JSON
"""

import json
from collections.abc import Mapping
from typing import Any

from tickets.definition import DEFINITION, placeholders, substitute

__all__ = ["DEFINITION", "load", "placeholders", "sample_value", "substitute"]


def sample_value(name: str) -> object:
    """Returns a value of the kind that the template supplies for a placeholder of this name."""
    if name.endswith("Seconds"):
        return 960
    if name.endswith("Concurrency"):
        return 2
    if name == "Partition":
        return "aws"
    if name.endswith("Url"):
        return f"https://sqs.us-east-1.amazonaws.com/000000000000/{name}"
    if name.endswith("Bucket"):
        return f"sample-{name.lower()}"
    return f"arn:aws:lambda:us-east-1:000000000000:function:{name}"


def load(values: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Reads the project's definition with these values, or with a sample value for every
    placeholder."""
    text = DEFINITION.read_text(encoding="utf-8")
    if values is None:
        values = {name: sample_value(name) for name in placeholders(text)}
    return substitute(text, values)


if __name__ == "__main__":
    print(json.dumps(load(), indent=2))
