"""The commands that README.md and docs/operations.md print in their code blocks."""

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/operations.md")
PROGRAMS = re.compile(r"(make|sam|aws|tickets|export|\.venv/bin/(tickets|python))\b")
# A code block: fenced, with a language or without; or lines indented by four or more.
BLOCK = re.compile(
    r"^```(?P<language>\w*)\n(?P<fenced>.*?)^```$|(?P<indented>(?:^ {4,}[^\n]*\n)+)",
    re.MULTILINE | re.DOTALL,
)


def commands() -> list[str]:
    """Every command, once, exactly as printed, without the prompt and what stands after `#`."""
    found: list[str] = []
    for page in PAGES:
        for block in BLOCK.finditer((ROOT / page).read_text(encoding="utf-8")):
            if not block["language"]:
                found += commands_of(block["fenced"] or block["indented"] or "")
    return list(dict.fromkeys(found))


def commands_of(block: str) -> list[str]:
    """A block with a prompt holds commands after each prompt, and output; one without holds
    commands only. A command goes on until its quotes are closed, and after a backslash."""
    lines = textwrap.dedent(block).splitlines()
    prompted = any(line.startswith("$ ") for line in lines)
    found: list[str] = []
    for line in lines:
        if found and (found[-1].count("'") % 2 or found[-1].endswith("\\")):
            found[-1] += f"\n{line}"
        elif line.startswith("$ ") or (not prompted and PROGRAMS.match(line)):
            found.append(line.removeprefix("$ "))
    return [re.sub(r"\s+#.*", "", command) for command in found]
