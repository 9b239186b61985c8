"""Functions as `sam build` packages them, with their distributions. The engine's have none,
tests/e2e/test_doctor.py."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping

import pytest

from tests.support.http_server import Server, http_server
from tests.support.stubbed_deployment import StubbedDeployment
from tickets import ROOT
from tickets.doctor.code import code, functions
from tickets.doctor.diagnosis import run
from tickets.doctor.findings import FAILED, OK, UNKNOWN, WARNING, Verdict

PINNED = {
    "aws_lambda_powertools": "3.37.0",
    "jinja2": "3.1.6",
    "pycurl": "7.49.0",
    "tzdata": "2026.6",
    "xxhash": "4.1.0",
}


@pytest.fixture
def server() -> Iterator[Server]:
    with http_server() as server:
        yield server


def built(packages: Mapping[str, str] = PINNED, **changed: bytes) -> bytes:
    """Zips this checkout's functions and these packages. `changed` are other files, or modules with
    `__` for a slash."""
    files = {
        path.relative_to(ROOT / "functions").as_posix(): path.read_bytes()
        for path in (ROOT / "functions").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    for name, version in packages.items():
        files[f"{name}-{version}.dist-info/METADATA"] = b""
        files[f"{name}/__init__.py"] = b""
    for name, content in changed.items():
        files[name if "." in name else name.replace("__", "/") + ".py"] = content
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return archive.getvalue()


def compared(server: Server, archive: bytes, status: int = 200) -> Verdict:
    """The verdict on functions that all have this code."""
    server.answer = lambda request: (status, archive)
    stubbed = StubbedDeployment()
    digest = base64.b64encode(hashlib.sha256(archive).digest()).decode()
    for _ in stubbed.deployment.template.functions():
        stubbed.answer(
            "lambda",
            "get_function",
            {"Configuration": {"CodeSha256": digest}, "Code": {"Location": f"{server.url}/code"}},
        )
    return run(code, stubbed.deployment)


def test_the_code_of_this_checkout_is_downloaded_once(server: Server) -> None:
    found = compared(server, built())
    assert found.status == OK
    assert found.detail.endswith("they have the packages of requirements.txt")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (built(ingestion__names=b"x = 1\n"), "differs from this checkout in ingestion/names.py"),
        (built(handlers__other=b""), "differs from this checkout in handlers/other.py"),
        (
            built(PINNED, **{"sources/old.json": b"{}"}),
            "differs from this checkout in sources/old.json",
        ),
        (built({**PINNED, "xxhash": "3.5.0"}), "has xxhash 3.5.0, not 4.1.0"),
        (built({}), "has no aws-lambda-powertools 3.37.0"),
    ],
    ids=["changed", "added", "another source", "another version", "no packages"],
)
def test_other_code_is_found(server: Server, archive: bytes, words: str) -> None:
    found = compared(server, archive)
    assert found.status == FAILED
    assert f"StartExecution {words}" in found.detail


def test_a_module_of_a_package_is_none_of_ours(server: Server) -> None:
    assert compared(server, built(pycurl__extra=b"x = 1\n")).status == OK


def test_a_code_that_cant_be_downloaded_is_not_judged(server: Server) -> None:
    found = compared(server, b"expired", 403)
    assert (found.status, found.detail) == (
        UNKNOWN,
        "the code can't be downloaded (HTTP status 403)",
    )


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"State": "Failed", "StateReason": "no image"}, "Reconcile is Failed (no image)"),
        (
            {"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "no role"},
            "the last update of Reconcile failed (no role)",
        ),
        ({"State": "Pending"}, "Reconcile: being updated"),
        ({"LastUpdateStatus": "InProgress"}, "Reconcile: being updated"),
        # Lambda freed the resources of an idle function, and the next call brings them back.
        ({"State": "Inactive"}, None),
    ],
)
def test_the_state_of_a_function(state: dict[str, str], words: str | None) -> None:
    stubbed = StubbedDeployment()
    template = stubbed.deployment.template
    for name in template.functions():
        settings = stubbed.resolved.properties(name)
        variables = settings["Environment"]["Variables"]
        configuration = {
            "State": "Active",
            "LastUpdateStatus": "Successful",
            **{one: settings[one] for one in ("Handler", "MemorySize", "Runtime", "Timeout")},
            "Environment": {"Variables": {one: str(value) for one, value in variables.items()}},
            **(state if name == "Reconcile" else {}),
        }
        stubbed.answer("lambda", "get_function", {"Configuration": configuration})
    found = functions(stubbed.deployment)
    assert found.detail == (words or "8 functions are active and configured as deployed")
    assert found.status == (
        OK if words is None else WARNING if words.endswith("updated") else FAILED
    )
