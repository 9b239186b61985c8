"""docs/security.md claims nothing without a check, and every check that it names exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")]
CLAIMS = [line for line in ROWS if not line.startswith(("| Claim |", "| What |"))]
NAMED = re.findall(r"`(tests/[^`]+|make [^`]+)`", PAGE)


@cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def exists(check: str) -> bool:
    if check.startswith("make "):
        return check.removeprefix("make ") in TARGETS
    path, _, name = check.partition("::")
    if not (ROOT / path).is_file():
        return False
    return not name or (name.startswith("test_") and name in functions_of(path))


@pytest.mark.parametrize("check", sorted(set(NAMED)))
def test_a_check_that_the_page_names_exists(check: str) -> None:
    assert exists(check)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.split("|")[1].strip()[:60])
def test_a_claim_names_its_check_in_its_last_column(claim: str) -> None:
    last = claim.rstrip("| ").rpartition("|")[2]
    checks = re.findall(r"`([^`]+)`", last)
    assert checks
    assert [one for one in checks if not one.startswith(("make ", "tests/"))] == []
    assert all("::" in one for one in checks if one.startswith("tests/"))


def test_the_page_is_read_whole() -> None:
    assert len(CLAIMS) > 40
    assert len(NAMED) > 60


@pytest.mark.parametrize(
    "check",
    [
        "make check-securities",
        "tests/unit/test_none.py::test_a",
        "tests/unit/csv_files/test_header.py::test_none",
        "tests/unit/csv_files/test_header.py::refusals",  # there, and no test
    ],
)
def test_a_check_that_is_not_there_is_missed(check: str) -> None:
    assert not exists(check)
