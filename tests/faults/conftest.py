"""Two worlds for the faults: the handlers before moto, and a stack on the embedded engine."""

import urllib.request
from collections.abc import Iterator

import boto3
import pytest

from tests.faults.matrix import KINDS, Kind
from tests.support.burst import Burst
from tests.support.cloud import forget_clients
from tests.support.moto_tables import dynamodb_server
from tests.support.running_stack import RunningStack
from tests.support.tasks import CHUNK_SIZE, LEDGER, TABLE, WORK, Tasks
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


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    with dynamodb_server() as url:  # of S3 and Step Functions as well
        yield url


@pytest.fixture(scope="session")
def burst(moto_url: str) -> Iterator[Burst]:
    with Burst.before(moto_url) as burst:
        yield burst


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    """One for all tests, because it reads the services' models, which takes a second."""
    return boto3.Session("testing", "testing", region_name="us-east-1")


@pytest.fixture
def tasks(
    moto_url: str, session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tasks]:
    """Empty buckets and tables; the handlers reach them through the wire."""
    with Wire.before(moto_url) as wire:
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SFN"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {
            "AWS_ENDPOINT_URL": wire.url,
            "AWS_ENDPOINT_URL_DYNAMODB": wire.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "LEDGER_TABLE": LEDGER,
            "WORK_BUCKET": WORK,
            "CHUNK_SIZE_BYTES": str(CHUNK_SIZE),
            "BATCHES_IN_FLIGHT": "4",
            "MAP_CONCURRENCY": "1",
            "MAX_ROWS_PER_SECOND": "0",
            "MAX_REFUSED_PERCENT": "5",
            "MAX_SUPERSEDED_PERCENT": "50",
            "STACK_NAME": "tickets",
            "DYNAMODB_TABLE": TABLE,
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
        reset = urllib.request.Request(f"{moto_url}/moto-api/reset", method="POST")  # noqa: S310
        urllib.request.urlopen(reset, timeout=10).close()  # noqa: S310
        forget_clients()
        tasks = Tasks(session, moto_url, wire)
        monkeypatch.setenv("STATE_MACHINE_ARN", tasks.state_machine_arn)
        yield tasks
        forget_clients()


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
