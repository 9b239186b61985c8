"""Checks what `tickets --json` prints against docs/json-1.schema.json."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA = Path(__file__).parents[2] / "docs/json-1.schema.json"


@cache
def read_schema() -> dict[str, Any]:
    return dict(json.loads(SCHEMA.read_text(encoding="utf-8")))


def problems(command: str, line: str, *, strict: bool = False) -> list[str]:
    """What is wrong with a line that a command printed.

    command: as in `$defs`, such as `dead-letters` or `local-start`.
    strict: fields that the schema doesn't name are wrong, too.
    """
    found = _validator(command, strict).iter_errors(json.loads(line))
    return [f"{command}: {error.json_path}: {error.message}" for error in found]


@cache
def _validator(command: str, strict: bool) -> Draft202012Validator:
    schema = read_schema()
    if command not in schema["$defs"]:
        raise AssertionError(f"docs/json-1.schema.json doesn't describe `{command} --json`")
    checked = {"$ref": f"#/$defs/{command}", "$defs": schema["$defs"]}
    if strict:
        checked["unevaluatedProperties"] = False
    return Draft202012Validator(checked)
