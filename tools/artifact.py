"""Checks the output of `sam build`: its files, their machine code and their size.

    python -m tools.artifact .aws-sam/build

Every file in a function's folder must equal a file in functions/, byte for byte, or belong to a
required distribution: one that functions/requirements.txt names, or that such a distribution
requires. Distributions are complete: SAM can't leave out the parts of Powertools that nothing
imports.
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
from tools import elf

# Bytes per function. Lambda allows 262,144,000 unpacked. These limits are only a little above the
# current sizes, so that any growth is noticed.
MAX_UNPACKED = 30_000_000
MAX_ZIPPED = 9_000_000
# Files that functions never need, even if a distribution contains them.
UNWANTED = re.compile(
    r"(^|/)(tests?|__pycache__|\.git|\.venv|node_modules)(/|$)|\.(pyc|pyo|csv|log)$"
)


class ArtifactError(TicketsError):
    """The build must not be deployed. The message has one line per problem."""


def problems(folder: Path, code: Path, architecture: str) -> list[str]:
    """Checks one function's folder, built from the source folder `code`; returns its problems."""
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
            wrong.append(f"{name} is neither a source file nor part of a distribution")
        if UNWANTED.search(name):
            wrong.append(f"{name} is never needed")
        if elf.is_elf(path):
            wrong += [f"{name} {problem}" for problem in elf.problems(path, architecture)]
    for name in sorted(distributions.keys() - _needed(folder, code)):
        wrong.append(f"the distribution {name} is not required")
    for name in sorted(_needed(folder, code) - distributions.keys()):
        wrong.append(f"the distribution {name} is missing")
    return wrong


def sizes(folder: Path) -> tuple[int, int]:
    """The folder's size in bytes, unpacked and as the zip that SAM uploads."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(folder))
    return sum(path.stat().st_size for path in files), len(zipped.getvalue())


def check_files(build: Path, template: Path = TEMPLATE) -> tuple[list[Path], str]:
    """Checks the files of every function of a build. Returns the functions' folders and their
    architecture.

    Raises ArtifactError if there is a problem.
    """
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
        raise ArtifactError(f"{build} contains {built}, not the functions: run `make build`.")
    wrong = [
        f"{name}: {one}"
        for name in functions
        for one in problems(build / name, template.parent / settings["CodeUri"], architecture)
    ]
    if wrong:
        raise ArtifactError("\n".join(wrong))
    return [build / name for name in functions], architecture


def check(build: Path, template: Path = TEMPLATE) -> str:
    """Checks the files and the size of every function of a build. Returns a sentence about their
    sizes.

    Raises ArtifactError if there is a problem.
    """
    folders, architecture = check_files(build, template)
    measured = {folder.name: sizes(folder) for folder in folders}
    wrong = [
        f"{name}: {_text(unpacked, zipped)} is too large"
        for name, (unpacked, zipped) in measured.items()
        if unpacked > MAX_UNPACKED or zipped > MAX_ZIPPED
    ]
    if wrong:
        raise ArtifactError("\n".join(wrong))
    largest = max(one[0] for one in measured.values()), max(one[1] for one in measured.values())
    return (
        f"Checked {len(folders)} functions, {architecture}: the largest has "
        f"{_text(*largest)} (at most {_text(MAX_UNPACKED, MAX_ZIPPED)})."
    )


def _distributions(folder: Path) -> dict[str, set[str]]:
    """The files of each distribution, from the RECORD in its dist-info folder."""
    return {
        _name(record.parent.name.split("-")[0]): {
            row[0] for row in csv.reader(io.StringIO(record.read_text(encoding="utf-8"))) if row
        }
        for record in folder.glob("*.dist-info/RECORD")
    }


def _needed(folder: Path, code: Path) -> set[str]:
    """The distributions in requirements.txt, and all that they require except for extras."""
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


def _text(unpacked: int, zipped: int) -> str:
    return f"{unpacked / 1e6:.1f} MB unpacked, {zipped / 1e6:.1f} MB zipped"


if __name__ == "__main__":
    try:
        print(check(Path(sys.argv[1])))
    except ArtifactError as error:
        sys.exit(str(error))
