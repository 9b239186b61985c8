"""One stack on the embedded engine for all tests that change nothing of it for good.

Each test has keys and ticket numbers of its own.
"""

from collections.abc import Iterator

import pytest

from tests.support.running_stack import RunningStack
from tickets.local.deployment import local_stack
from tickets.runs import connect, dead_letters

# Small, so that a small file has several chunks.
CHUNK_SIZE = 65_536
# There are as many retries as defined, with short delays.
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


@pytest.fixture
def command_finds_stack(stack: RunningStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The `tickets` command finds this stack. Both dead-letter queues are emptied before and
    after the test."""
    monkeypatch.setattr(connect, "find_stack", lambda *_: stack.names)
    monkeypatch.setattr(dead_letters, "_WAIT_SECONDS", 0)  # the engine has one server only
    queues = (stack.names.failed_executions_queue_url, stack.names.upload_dead_letter_queue_url)
    for url in queues:
        stack.receive(url)
    yield
    for url in queues:
        stack.receive(url)
