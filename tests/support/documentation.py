"""Finds the commands in the code blocks of README.md and docs/operations.md that name no
language."""

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/operations.md")
PROGRAMS = re.compile(r"(make|sam|aws|tickets|export|eval|\.venv/bin/(tickets|python))\b")
# A code block is fenced, with or without a language, or its lines are indented by four or more.
BLOCK = re.compile(
    r"^```(?P<language>\w*)\n(?P<fenced>.*?)^```$|(?P<indented>(?:^ {4,}[^\n]*\n)+)",
    re.MULTILINE | re.DOTALL,
)


def commands() -> list[str]:
    """Every command once, exactly as printed, but without its prompt and comment."""
    found: list[str] = []
    for page in PAGES:
        for block in BLOCK.finditer((ROOT / page).read_text(encoding="utf-8")):
            if not block["language"]:
                found += commands_of(block["fenced"] or block["indented"] or "")
    return list(dict.fromkeys(found))


def commands_of(block: str) -> list[str]:
    """The commands in a code block. If the block has prompts, only lines with one are commands, and
    the other lines are output. Otherwise all lines that begin with one of PROGRAMS are commands. A
    command continues on the next line if a single quote is open or after a backslash."""
    lines = textwrap.dedent(block).splitlines()
    prompted = any(line.startswith("$ ") for line in lines)
    found: list[str] = []
    for line in lines:
        if found and (found[-1].count("'") % 2 or found[-1].endswith("\\")):
            found[-1] += f"\n{line}"
        elif line.startswith("$ ") or (not prompted and PROGRAMS.match(line)):
            found.append(line.removeprefix("$ "))
    return [re.sub(r"\s+#.*", "", command) for command in found]
