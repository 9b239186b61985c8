"""The packaged functions on emulated arm64, and moto's S3, DynamoDB and Step Functions over TLS."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from benchmarks.write_path.native import CERTIFICATE, KEY, compile_stub
from tests.support.cloud import ENVIRONMENT, STATE_MACHINE_ARN, Cloud, empty_cloud
from tests.support.lambda_functions import Function, running_functions
from tests.support.moto_server import moto_server_over_tls
from tests.support.sample_events import store_objects
from tools.arm64.prepare import is_prepared


@pytest.fixture(scope="session", autouse=True)
def _prepared() -> None:
    if not is_prepared():
        pytest.skip("`make arm64-check` prepares the emulated processor and runs these tests")
    compile_stub()


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    with moto_server_over_tls(CERTIFICATE, KEY) as url:
        yield url


@pytest.fixture(scope="session")
def functions(
    moto_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Function]]:
    environment = {
        **ENVIRONMENT,
        "STATE_MACHINE_ARN": STATE_MACHINE_ARN,
        "AWS_ENDPOINT_URL": moto_url,
        "AWS_CA_BUNDLE": str(CERTIFICATE),
    }
    with running_functions(environment, tmp_path_factory.mktemp("logs")) as functions:
        yield functions


@pytest.fixture
def cloud(
    moto_url: str, functions: dict[str, Function], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cloud]:
    """A stack with the objects of the sample events, whose functions run on emulated arm64."""

    def invoke(_: Cloud, handler: str, event: Mapping[str, Any], seconds: float) -> Any:
        return functions[handler].call(event)

    monkeypatch.setattr(Cloud, "invoke", invoke)
    with empty_cloud(moto_url) as cloud:
        store_objects(cloud)
        yield cloud
