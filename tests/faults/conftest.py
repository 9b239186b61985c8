"""Two worlds for the faults: the handlers before moto, and a stack on the embedded engine."""

from collections.abc import Iterator

import pytest

from tests.faults.loads import CHUNK_SIZE
from tests.faults.matrix import KINDS, Kind
from tests.support.cloud import Cloud, empty_cloud, on_a_wire
from tests.support.running_stack import RunningStack
from tests.support.wire import Wire
from tickets.local.deployment import local_stack

STACK_CHUNK_SIZE = 65_536
WAIT_SCALE = 0.02


def _kind_of(item: pytest.Item) -> Kind | None:
    name = getattr(item, "originalname", None) or item.name
    return KINDS.get(name.removeprefix("test_"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What the matrix does not call quick runs in `make test-all` only."""
    for item in items:
        if "tests/faults/" in item.path.as_posix() and (kind := _kind_of(item)) and not kind.quick:
            item.add_marker(pytest.mark.exhaustive)


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> Kind:
    """The line of the matrix that the test is named after."""
    found = _kind_of(request.node)
    assert found is not None, "the matrix has no such kind"
    return found


@pytest.fixture
def cloud(moto_url: str) -> Iterator[Cloud]:
    """An empty stack on moto; what the handlers send goes through `cloud.wire`."""
    limits = {"CHUNK_SIZE_BYTES": str(CHUNK_SIZE), "MAX_REFUSED_PERCENT": "5"}
    with empty_cloud(moto_url, **limits) as cloud, on_a_wire(cloud, moto_url):
        yield cloud


@pytest.fixture(scope="session")
def wired_stack() -> Iterator[tuple[RunningStack, Wire]]:
    parameters = {"ChunkSizeBytes": str(STACK_CHUNK_SIZE)}
    with (
        local_stack(parameters=parameters, wait_scale=WAIT_SCALE) as local,
        Wire.before(local.engine.endpoint_url) as wire,
    ):
        stack = RunningStack(local)
        variables = {"AWS_ENDPOINT_URL_DYNAMODB": wire.url}
        with stack.function_changed("WriteChunk", Environment={"Variables": variables}):
            yield stack, wire


@pytest.fixture
def stack(wired_stack: tuple[RunningStack, Wire]) -> RunningStack:
    """A stack on the embedded engine. Write Chunk reaches DynamoDB through the wire."""
    return wired_stack[0]


@pytest.fixture
def wire(wired_stack: tuple[RunningStack, Wire]) -> Wire:
    """Between the stack's Write Chunk and DynamoDB."""
    return wired_stack[1]
