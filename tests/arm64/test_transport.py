"""The packaged libcurl sends batches on emulated arm64, and only to a server that it can verify."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.httpsession import get_cert_path

from benchmarks.write_path.native import CERTIFICATE, Stub, running_stub
from benchmarks.write_path.samples import COLUMNS, item_hash, item_of
from tests.support import emulated_sender
from tests.support.lambda_functions import PYTHON
from tools.arm64 import BUILD, emulator

pytestmark = pytest.mark.exhaustive

VALUES = ("Käse", "B7", "2025-11-24T09:00:00Z", "dairy", "2", "12")
ROWS = [dict(zip(COLUMNS, (f"T{number}", *VALUES), strict=True)) for number in range(2_000)]
BATCH = 25
FUNCTION = BUILD / "WriteChunk"


def body(rows: list[dict[str, str]]) -> str:
    items = [
        {name: {"N" if name == "quantity" else "S": value} for name, value in row.items()}
        for row in rows
    ]
    requests = [{"PutRequest": {"Item": item}} for item in items]
    return json.dumps({"RequestItems": {"Tickets": requests}}, ensure_ascii=False)


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with running_stub() as running:
        yield running


@pytest.fixture(scope="module")
def result(stub: Stub) -> Any:
    """What the emulated program printed."""
    url = stub.endpoint(tls=True)
    task = {
        "bodies": [body(ROWS[start : start + BATCH]) for start in range(0, len(ROWS), BATCH)],
        "others": [
            (url, str(get_cert_path(True))),
            (url.replace("127.0.0.1", "localhost"), str(CERTIFICATE)),
            (url, str(CERTIFICATE.with_name("missing.pem"))),
        ],
    }
    variables = {
        **emulator.environment(FUNCTION),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
        "AWS_CA_BUNDLE": str(CERTIFICATE),
    }
    done = subprocess.run(
        # -P: the modules beside the program are not for it to import.
        emulator.command(PYTHON, "-P", str(emulated_sender.__file__)),
        input=json.dumps(task),
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_the_processor_and_the_libraries_are_those_of_lambda(result: Any) -> None:
    assert result["machine"] == "aarch64"
    assert result["python"].startswith("3.13.")
    assert result["boto3"] == "1.38.36"
    assert Path(result["pycurl"]).is_relative_to(FUNCTION)


def test_every_batch_arrives_over_tls_once_and_unchanged(result: Any, stub: Stub) -> None:
    assert result["sent"] == [[200, '{"UnprocessedItems":{}}']] * (len(ROWS) // BATCH)
    stats = stub.stats()
    # The requests to servers that it can't verify are not among them.
    assert (stats.requests, stats.items) == (len(ROWS) // BATCH, len(ROWS))
    assert stats.hash == sum(map(item_hash, map(item_of, ROWS))) % 2**64


@pytest.mark.parametrize(
    ("number", "error"),
    [
        pytest.param(0, "curl 60: ", id="a certificate of another authority"),
        pytest.param(1, "curl 60: ", id="a certificate for another host"),
        pytest.param(2, "curl 77: ", id="a missing file of certificates"),
    ],
)
def test_nothing_is_sent_to_a_server_that_it_cannot_verify(
    result: Any, number: int, error: str
) -> None:
    [(status, said)] = result["others"][number]
    assert status == 0
    assert said.startswith(error)
