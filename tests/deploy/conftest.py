"""One engine, and one copy of the project beside it, for the story that the tests here tell."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tickets.local.engine import Engine

# Before the import: otherwise a failed assertion of these modules shows no values.
pytest.register_assert_rewrite(
    "tests.deploy.project", "tests.e2e.accounts", "tests.e2e.running_stack"
)

from tests.deploy.project import VENV, Project, runtime_folder  # noqa: E402 - see above


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine.start(wait_scale=0.02) as engine:
        yield engine


@pytest.fixture
def project(engine: Engine, tmp_path: Path) -> Project:
    assert (VENV / "sam/bin/sam").exists(), "make sam-deploy installs the AWS SAM CLI"
    runtime = runtime_folder()
    if not runtime:
        pytest.skip("`sam build` needs the functions' own Python, and it is nowhere")
    return Project.copy(tmp_path, engine, runtime)
