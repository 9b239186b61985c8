"""Reads the templates of a source's `values`, such as `{Date}T{Time}`."""

import re

from ingestion.sources.model import Template

RESERVED = ("key", "load", "line")
"""Names in templates that stand for facts about the row's file: the object's key, the load's id and
the row's line."""

_PARTS = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[{}]")


def read_template(text: str) -> Template:
    """Reads a template. `{{` and `}}` stand for single braces.

    The names in the result are those of fields, or reserved names with their braces. Raises
    ValueError if a brace has no counterpart.
    """
    texts, names, end = [""], [], 0
    for part in _PARTS.finditer(text):
        texts[-1] += text[end : part.start()]
        end = part.end()
        name = part[1]
        if name is not None:
            names.append(f"{{{name}}}" if name in RESERVED else name)
            texts.append("")
        elif len(part[0]) == 2:
            texts[-1] += part[0][0]
        else:
            raise ValueError(f"The brace at character {part.start() + 1} has no counterpart.")
    texts[-1] += text[end:]
    return Template(tuple(texts), tuple(names))
