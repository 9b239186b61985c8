"""One engine, and one copy of the project beside it, for the deployment that the tests here
follow."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project_copy import VENV, Project, runtime_folder
from tickets.local.engine import Engine


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine.start(wait_scale=0.02) as engine:
        yield engine


@pytest.fixture
def project(engine: Engine, tmp_path: Path) -> Project:
    assert (VENV / "sam/bin/sam").exists(), "make sam-deploy installs the AWS SAM CLI"
    runtime = runtime_folder()
    if not runtime:
        pytest.skip("`sam build` needs the Python version of the functions, which is not installed")
    return Project.copy(tmp_path, engine, runtime)
