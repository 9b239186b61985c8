"""Looks into what `sam build` has made: only what runs, for the right processor, and small.

    python -m tools.artifact .aws-sam/build

In each function's folder a file must be one of functions/, byte for byte, or one that a
distribution lists as its own; the distributions are those that functions/requirements.txt names and
those that they need. Distributions come whole, as they are published: parts of Powertools that
nothing here imports are in it, because SAM has no way to leave them out.
"""

import csv
import io
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from tickets import TEMPLATE
from tickets.errors import TicketsError
from tickets.local.packaging import SHIPPED

# Bytes of one function. Lambda takes 262,144,000 unpacked; these are a little more than what there
# is, so that whatever makes it grow is looked at.
LARGEST_UNPACKED = 30_000_000
LARGEST_ZIPPED = 9_000_000
# Names that never run, whoever ships them.
NEVER = re.compile(r"(^|/)(tests?|__pycache__|\.git|\.venv|node_modules)(/|$)|\.(pyc|pyo|csv|log)$")
# The processor in an ELF file's header, by the names of Lambda's architectures.
MACHINES = {"arm64": 0xB7, "x86_64": 0x3E}


class ArtifactError(TicketsError):
    """What was built is not what should be deployed. One line for each thing that is wrong."""


def look_into(folder: Path, code: Path, architecture: str) -> list[str]:
    """What is wrong with one function's folder; `code` is the source that it was built from."""
    wrong = []
    own = {
        path.relative_to(code).as_posix(): path
        for pattern in SHIPPED
        for path in code.rglob(pattern)
        if "__pycache__" not in path.parts
    }
    built = {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
    }
    distributions = _distributions(folder)
    listed = {name for files in distributions.values() for name in files}
    for name in sorted(own.keys() - built.keys()):
        wrong.append(f"{name} is missing")
    for name, path in sorted(built.items()):
        if name in own:
            if path.read_bytes() != own[name].read_bytes():
                wrong.append(f"{name} differs from its source")
        elif name not in listed:
            wrong.append(f"{name} is neither source nor of a distribution")
        if NEVER.search(name):
            wrong.append(f"{name} never runs")
        if _machine(path) not in (None, MACHINES[architecture]):
            wrong.append(f"{name} is not built for {architecture}")
    for name in sorted(distributions.keys() - _needed(folder, code)):
        wrong.append(f"the distribution {name} is needed by nothing")
    for name in sorted(_needed(folder, code) - distributions.keys()):
        wrong.append(f"the distribution {name} is missing")
    return wrong


def sizes(folder: Path) -> tuple[int, int]:
    """Bytes of a folder unpacked, and as the zip that SAM uploads."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(folder))
    return sum(path.stat().st_size for path in files), len(zipped.getvalue())


def check(build: Path, template: Path = TEMPLATE) -> str:
    """Look into every function of a build; one sentence about their sizes. Raises ArtifactError."""
    source: Any = yaml_parse(template.read_text(encoding="utf-8"))
    settings = source["Globals"]["Function"]
    [architecture] = settings["Architectures"]
    functions = sorted(
        name
        for name, one in source["Resources"].items()
        if one["Type"] == "AWS::Serverless::Function"
    )
    built = sorted(path.name for path in build.iterdir() if path.is_dir()) if build.exists() else []
    if built != functions:
        raise ArtifactError(f"{build} holds {built}, not the functions: run `make build`.")
    wrong = []
    largest = (0, 0)
    for name in functions:
        folder = build / name
        wrong += [
            f"{name}: {one}"
            for one in look_into(folder, template.parent / settings["CodeUri"], architecture)
        ]
        unpacked, zipped = sizes(folder)
        largest = max(largest[0], unpacked), max(largest[1], zipped)
        if unpacked > LARGEST_UNPACKED or zipped > LARGEST_ZIPPED:
            wrong.append(f"{name}: {_text(unpacked, zipped)} is too large")
    if wrong:
        raise ArtifactError("\n".join(wrong))
    return (
        f"Looked into {len(functions)} functions, {architecture}: the largest has "
        f"{_text(*largest)} (at most {_text(LARGEST_UNPACKED, LARGEST_ZIPPED)})."
    )


def _distributions(folder: Path) -> dict[str, set[str]]:
    """Each distribution's files, by its name."""
    return {
        _name(record.parent.name.split("-")[0]): {
            row[0] for row in csv.reader(io.StringIO(record.read_text(encoding="utf-8"))) if row
        }
        for record in folder.glob("*.dist-info/RECORD")
    }


def _needed(folder: Path, code: Path) -> set[str]:
    """What requirements.txt names, and what those need, extras left out."""
    requires = {
        _name(metadata.parent.name.split("-")[0]): {
            line.removeprefix("Requires-Dist: ")
            for line in metadata.read_text(encoding="utf-8").splitlines()
            if line.startswith("Requires-Dist: ") and "extra ==" not in line
        }
        for metadata in folder.glob("*.dist-info/METADATA")
    }
    found: set[str] = set()
    waiting = set(_requirements(code / "requirements.txt"))
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= {_name(one) for one in requires.get(name, ())} - found
    return found


def _requirements(path: Path) -> Iterator[str]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            yield _name(line)


def _name(requirement: str) -> str:
    """`Typing_Extensions (>=4.11)` -> `typing-extensions`, as PyPI compares names."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement.strip())
    assert match is not None, requirement
    return re.sub(r"[-_.]+", "-", match[0].partition("==")[0]).lower()


def _machine(path: Path) -> int | None:
    """The processor that a native file is for; None if it is no native file."""
    with path.open("rb") as file:
        head = file.read(20)
    return int.from_bytes(head[18:20], "little") if head.startswith(b"\x7fELF") else None


def _text(unpacked: int, zipped: int) -> str:
    return f"{unpacked / 1e6:.1f} MB unpacked, {zipped / 1e6:.1f} MB zipped"


if __name__ == "__main__":
    try:
        print(check(Path(sys.argv[1])))
    except ArtifactError as error:
        sys.exit(str(error))
