"""One stack on the embedded engine for all tests that change nothing of it for good.

Each test has keys and ticket numbers of its own.
"""

from collections.abc import Iterator

import pytest

from ops.local import local_stack

# Before the import: otherwise a failed assertion of these modules shows no values.
pytest.register_assert_rewrite("tests.e2e.accounts", "tests.e2e.running_stack", "tests.faults.wire")

from tests.e2e.running_stack import RunningStack  # noqa: E402 - see above

# Small, so that a small file has several chunks.
CHUNK_SIZE = 65_536
# Retries come as often as defined, and soon.
WAIT_SCALE = 0.02


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    parameters = {"ChunkSizeBytes": str(CHUNK_SIZE)}
    with local_stack(parameters=parameters, wait_scale=WAIT_SCALE) as local:
        yield RunningStack(local)
