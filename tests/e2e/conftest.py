"""One stack on the embedded engine for all tests that change nothing of it for good.

Each test has keys and ticket numbers of its own.
"""

from collections.abc import Iterator

import pytest

from tests.support.running_stack import RunningStack
from tickets.local.deployment import local_stack

# Small, so that a small file has several chunks.
CHUNK_SIZE = 65_536
# Retries come as often as defined, and soon.
WAIT_SCALE = 0.02


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    parameters = {"ChunkSizeBytes": str(CHUNK_SIZE)}
    with local_stack(parameters=parameters, wait_scale=WAIT_SCALE) as local:
        yield RunningStack(local)


@pytest.fixture
def rows_capped(stack: RunningStack) -> Iterator[None]:
    """Every load takes a second for 1,000 rows, so that a test can act in the middle of one however
    fast the machine is."""
    variables = {"MAX_ROWS_PER_SECOND": "1000"}
    with stack.function_changed("WriteChunk", Environment={"Variables": variables}):
        yield
