"""The matrix and the tests have the same kinds, and a fault that does nothing is found."""

import ast
from pathlib import Path

import pytest

from tests.faults.matrix import KINDS, MATRIX
from tests.support.cloud import Cloud
from tests.support.wire import lose_reply

HERE = Path(__file__).parent


def test_each_kind_has_one_test_in_the_module_of_its_theme() -> None:
    modules = {path.stem.removeprefix("test_"): path for path in HERE.glob("test_*.py")}
    del modules["matrix"]
    assert modules.keys() == MATRIX.keys()
    for theme, path in modules.items():
        tests = [
            node.name.removeprefix("test_")
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        ]
        assert tests == [kind.name for kind in MATRIX[theme]], theme


def test_there_are_enough_of_them() -> None:
    assert len(KINDS) == sum(map(len, MATRIX.values())), "two of one name"
    assert len(KINDS) >= 25
    assert sum(kind.quick for kind in KINDS.values()) >= 8


def test_a_failing_kind_says_why_and_is_cured() -> None:
    for kind in KINDS.values():
        heals = kind.ending in ("Loaded", "Overtaken")
        assert (kind.cure is None) == heals, kind
        assert (kind.why != "") == (kind.ending in ("Load Failed", "Load Failure Not Reported")), (
            kind
        )


def test_a_fault_that_never_fires_is_a_failure(cloud: Cloud) -> None:
    with (
        pytest.raises(AssertionError, match="no HeadObject came by"),
        cloud.wire.fault("HeadObject", lose_reply, where=lambda call: False),
    ):
        cloud.validate({"bucket": cloud.uploads, "key": "none.csv"})
