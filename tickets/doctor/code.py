"""Compares the state machine's definition and the functions with this checkout."""

import io
import json
import os
import re
import zipfile
from collections.abc import Container, Iterator, Mapping
from typing import Any

from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from tickets import TEMPLATE
from tickets.definition import DEFINITION, DefinitionError, substitute
from tickets.doctor.deployment import Deployment
from tickets.doctor.findings import UNDO, CantTell, Verdict, failed, ok, verdict, warning
from tickets.local.packaging import zip_code

DEPLOY = (
    "sam build && sam deploy; or check out the version that you deployed; if that was changed by "
    f"hand: {UNDO}"
)
REQUIREMENTS = "requirements.txt"
_MACHINE = "Ingest"
_DOWNLOAD_TIMEOUT_SECONDS = 60
_MAX_NAMED = 3


def definition(deployment: Deployment) -> Verdict:
    """Whether the deployed definition equals this checkout's, with the stack's values in it."""
    template = deployment.template
    values = template.properties(_MACHINE)["DefinitionSubstitutions"]
    try:
        expected = substitute(DEFINITION.read_text(encoding="utf-8"), values)
    except (DefinitionError, OSError) as error:
        raise CantTell(f"this checkout's definition can't be read ({error})") from error
    described = deployment.client("stepfunctions").describe_state_machine(
        stateMachineArn=deployment.stack.state_machine_arn
    )
    deployed = json.loads(described["definition"])
    differences = list(_differences(expected, deployed))
    if differences:
        return failed(f"differs from this checkout's at {_some(differences)}", DEPLOY)
    return ok(f"equals this checkout's ({len(expected['States'])} states)")


def code(deployment: Deployment) -> Verdict:
    """Whether the files of each function equal this checkout's, and its packages are those of
    requirements.txt."""
    own = _files(zip_code(TEMPLATE.parent / "functions"))
    folders = {name.split("/")[0] for name in own if "/" in name}
    names = deployment.template.functions()
    problems = []
    archives: dict[str, dict[str, bytes]] = {}
    for name in names:
        answer = _function(deployment, name)
        digest = answer["Configuration"]["CodeSha256"]
        if digest not in archives:
            archives[digest] = _files(_download(deployment, answer["Code"]["Location"]), folders)
        deployed = archives[digest]
        changed = [
            file
            for file in sorted(own.keys() | deployed.keys())
            if _is_ours(file, own, folders) and own.get(file) != deployed.get(file)
        ]
        if changed:
            problems.append(f"{name} differs from this checkout in {_some(changed)}")
        elif not deployment.is_local:
            problems += [
                f"{name} has {one}" for one in _wrong_packages(own[REQUIREMENTS], deployed)
            ]
    packages = (
        "the engine runs them with the packages installed here"
        if deployment.is_local
        else f"they have the packages of {REQUIREMENTS}"
    )
    good = f"{len(names)} functions have this checkout's {len(own)} files; {packages}"
    return verdict(problems, good, DEPLOY)


def functions(deployment: Deployment) -> Verdict:
    """Whether each function is active, not stopped, and configured as in the template."""
    problems, updating = [], []
    names = deployment.template.functions()
    for name in names:
        answer = _function(deployment, name)
        found = answer["Configuration"]
        state, update = found.get("State", "Active"), found.get("LastUpdateStatus", "Successful")
        if state == "Failed":
            problems.append(f"{name} is Failed ({found.get('StateReason', 'no reason given')})")
        if update == "Failed":
            reason = found.get("LastUpdateStatusReason", "no reason given")
            problems.append(f"the last update of {name} failed ({reason})")
        if state == "Pending" or update == "InProgress":
            updating.append(name)
        if answer.get("Concurrency", {}).get("ReservedConcurrentExecutions") == 0:
            problems.append(f"{name} is stopped: its reserved concurrency is 0")
        changed = list(_changed_settings(deployment.template.properties(name), found))
        if changed:
            problems.append(f"{name} differs from template.yaml in {_some(changed)}")
    if updating and not problems:
        return warning(f"{_some(updating)}: being updated", "run it again in a minute")
    return verdict(problems, f"{len(names)} functions are active and configured as deployed", UNDO)


def _function(deployment: Deployment, name: str) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = deployment.client("lambda").get_function(
        FunctionName=deployment.template.physical(name)
    )
    return answer


def _changed_settings(expected: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for setting in ("Handler", "MemorySize", "Runtime", "Timeout"):
        if str(found.get(setting)) != str(expected[setting]):
            yield setting
    variables = found.get("Environment", {}).get("Variables", {})
    for name, value in expected.get("Environment", {}).get("Variables", {}).items():
        if variables.get(name) != str(value):
            yield name


def _is_ours(name: str, own: Container[str], folders: Container[str]) -> bool:
    """Whether a file is one of this checkout, or code or a source in the same folders. What is
    elsewhere belongs to a package."""
    return name in own or (name.split("/")[0] in folders and name.endswith((".py", ".json")))


def _wrong_packages(requirements: bytes, deployed: Mapping[str, bytes]) -> Iterator[str]:
    """What is wrong with the installed packages: `no xxhash 4.1.0`, `xxhash 3.0, not 4.1.0`."""
    versions = {}
    for name in deployed:
        if found := re.match(r"(.+)-([^-]+)\.dist-info/METADATA$", name):
            versions[_normalized(found[1])] = found[2]
    for line in requirements.decode().splitlines():
        package, pinned, version = line.partition("==")
        if not pinned or line.startswith("#"):
            continue
        installed = versions.get(_normalized(package))
        if installed is None:
            yield f"no {package} {version}"
        elif installed != version:
            yield f"{package} {installed}, not {version}"


def _normalized(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def _files(archive: bytes, folders: Container[str] | None = None) -> dict[str, bytes]:
    """The files of a zip. With `folders`, files in others are listed, but not unpacked."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {
            one.filename: opened.read(one) if folders is None or _is_in(one, folders) else b""
            for one in opened.infolist()
            if not one.is_dir()
        }


def _is_in(entry: zipfile.ZipInfo, folders: Container[str]) -> bool:
    folder, slash, _ = entry.filename.partition("/")
    return not slash or folder in folders


def _download(deployment: Deployment, url: str) -> bytes:
    """Downloads a function's code from a presigned URL. Raises botocore's errors."""
    verify: Any = os.environ.get("AWS_CA_BUNDLE") or True  # a path, which the stubs don't know
    session = URLLib3Session(
        verify=verify,
        proxies={} if deployment.is_local else get_environ_proxies(url),
        timeout=_DOWNLOAD_TIMEOUT_SECONDS,
    )
    response = session.send(AWSRequest("GET", url).prepare())
    if response.status_code != 200:
        raise CantTell(f"the code can't be downloaded (HTTP status {response.status_code})")
    return bytes(response.content)


def _differences(expected: Any, found: Any, path: str = "") -> Iterator[str]:
    """The places at which two definitions differ: `States.Write Chunks.MaxConcurrency`."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted(expected.keys() | found.keys()):
            place = f"{path}.{key}" if path else key
            if key in expected and key in found:
                yield from _differences(expected[key], found[key], place)
            else:
                yield place
    elif expected != found:
        yield path


def _some(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - _MAX_NAMED
    return ", ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
