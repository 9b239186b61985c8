"""Substitutes the placeholders of the state machine's definition.

`statemachine/ingest.asl.json` is not valid JSON before the substitution: it contains numbers as
unquoted `${MapConcurrency}`. CloudFormation replaces the text before it parses the definition.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from tickets import ROOT
from tickets.errors import TicketsError

DEFINITION = ROOT / "statemachine" / "ingest.asl.json"
PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9_]+)\}")


class DefinitionError(TicketsError):
    """A placeholder has no value, or the definition is not valid JSON after substitution."""


def placeholders(text: str) -> set[str]:
    """The names of all `${Name}` in the text."""
    return set(PLACEHOLDER.findall(text))


def substitute(text: str, values: Mapping[str, object]) -> dict[str, Any]:
    """Replaces every `${Name}` in the text, as CloudFormation does, and parses the result.

    Values without a placeholder are ignored. Raises DefinitionError if a placeholder has no value
    or the result is not a JSON object.
    """
    missing = sorted(placeholders(text) - values.keys())
    if missing:
        names = ", ".join(f"${{{name}}}" for name in missing)
        raise DefinitionError(
            f"The state machine's definition names {names}: "
            "add it to DefinitionSubstitutions in template.yaml."
        )
    replaced = PLACEHOLDER.sub(lambda match: str(values[match[1]]), text)
    try:
        definition = json.loads(replaced)
    except json.JSONDecodeError as error:
        raise DefinitionError(
            f"The state machine's definition is not valid JSON after substitution: {error}. "
            f"The line reads: {replaced.splitlines()[error.lineno - 1].strip()}"
        ) from error
    if not isinstance(definition, dict):
        raise DefinitionError("The state machine's definition is not a JSON object.")
    return definition
