"""The environment of the measured processes, and numbers from the template."""

import re

from benchmarks.write_path.native import CERTIFICATE
from tickets import TEMPLATE

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CA_BUNDLE": str(CERTIFICATE),
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""Credentials that only the stub accepts, and its certificate."""


WRITERS = 4
"""Chunks of one load in parallel, as README.md recommends for an ordinary account. The template's
default is 2, for the small quotas of new accounts."""


def parameter_default(name: str) -> int:
    """The default of a numeric parameter of the template."""
    text = TEMPLATE.read_text(encoding="utf-8")
    found = re.search(rf"^  {name}:\n    Type: Number\n    Default: ([0-9]+)$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"The template has no number {name}.")
    return int(found[1])


def function_memory(name: str) -> int:
    """The memory in MB that the template gives a function."""
    text = TEMPLATE.read_text(encoding="utf-8")
    function = re.search(rf"^  {name}:\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    pattern = re.compile(r"^ +MemorySize: ([0-9]+)", re.MULTILINE)
    # A function without a MemorySize of its own has the one in Globals.
    found = pattern.search(function[1]) or pattern.search(text) if function else None
    if found is None:
        raise ValueError(f"The template has no MemorySize for {name}.")
    return int(found[1])
