"""Nothing outlives the product: no process, no file, and no socket that others can reach.

A driver process starts the engine or the whole local stack; each test ends the driver in one way
at one moment. Its processes are found by TMPDIR, which only they have in their environment.
"""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.console_client import ConsoleClient
from tests.support.processes import listening_addresses
from tickets import ROOT
from tickets.local import engine
from tickets.local.engine import Engine, EngineError, PortTaken

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="reads /proc, which only Linux has"
)

GONE_WITHIN_SECONDS = 5.0
READY_WITHIN_SECONDS = 60.0
EVERY_SIGNAL = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
SIGNALS = [
    EVERY_SIGNAL[0],
    *(pytest.param(number, marks=pytest.mark.exhaustive) for number in EVERY_SIGNAL[1:]),
]


def signals_at(*milliseconds: int) -> list[Any]:
    """Each moment with one of the signals, in turn."""
    pairs = zip(milliseconds, itertools.cycle(EVERY_SIGNAL), strict=False)
    return [pytest.param(when, number, id=f"{when}-{number.name}") for when, number in pairs]


# Says each step on standard output, then waits for its end.
DRIVER_OF_THE_ENGINE = """
from tickets.local.engine import Engine
with Engine.start() as engine:
    print("ready", flush=True)
    engine.wait()
"""
DRIVER_OF_THE_STACK = """
from tickets.local.deployment import local_stack
with local_stack(on_step=lambda step: print(step, flush=True)) as local:
    print("ready", flush=True)
    local.engine.wait()
"""
# Handles SIGTERM in a thread, so that it does not interrupt the wait of the main thread. The same
# happens if it arrives just before the main thread's system call, which can't be timed from
# outside.
DRIVER_WITH_A_THREAD = """
import signal, threading
from tickets.local.engine import Engine
from tickets.cli.errors import stop_on_signals
stop_on_signals()
with Engine.start() as engine:
    threading.Timer(1, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM)).start()
    print("ready", flush=True)
    engine.wait()
"""
# A function that is stubborn and never ends. It says so in a file of the engine's folder.
DRIVER_OF_A_FUNCTION = """
import io, json, zipfile
from tickets.local.engine import Engine
CODE = '''
import os, signal
def handler(event, context):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    open(os.path.join(os.environ["TMPDIR"], "busy"), "w").close()
    while True:
        pass
'''
buffer = io.BytesIO()
with zipfile.ZipFile(buffer, "w") as archive:
    archive.writestr("busy.py", CODE)
with Engine.start() as engine:
    role = engine.client("iam").create_role(
        RoleName="busy",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": "lambda.amazonaws.com"}}]}),
    )["Role"]["Arn"]
    functions = engine.client("lambda")
    functions.create_function(
        FunctionName="busy", Runtime="python3.13", Handler="busy.handler", Role=role,
        Timeout=900, Code={"ZipFile": buffer.getvalue()},
    )
    functions.invoke(FunctionName="busy", InvocationType="Event", Payload=b"{}")
    engine.wait()
"""


@dataclass
class Driver:
    """A started driver and the folder that serves as its TMPDIR."""

    process: subprocess.Popen[str]
    folder: Path

    def pids(self) -> dict[int, str]:
        """Every live process that has the driver's TMPDIR, or one inside it, by its command."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                # A process that ends while it is read, or a zombie, has nothing to read.
                with contextlib.suppress(OSError):
                    if f"TMPDIR={self.folder}".encode() in (entry / "environ").read_bytes():
                        command = (entry / "cmdline").read_bytes()
                        found[int(entry.name)] = command.replace(b"\0", b" ").decode()
        return found

    def pid_of(self, words: str) -> int | None:
        return next((pid for pid, command in self.pids().items() if words in command), None)

    def wait_for_line(self, wanted: str) -> str:
        """Reads up to the line that starts so, and returns its rest."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(wanted):
                return line.removeprefix(wanted).rstrip("\n")
        pytest.fail(f"the driver ended before it said {wanted!r}")

    def end(self, number: signal.Signals) -> None:
        """Signal the driver's whole process group, as a terminal does."""
        os.killpg(self.process.pid, number)


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.01)


@contextlib.contextmanager
def driving(command: list[str], tmp_path: Path, **environment: str) -> Iterator[Driver]:
    folder = tmp_path / "tmp"
    folder.mkdir()
    # A shell lets its background jobs ignore SIGINT, and children inherit that, but not a handler.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=(tmp_path / "stderr").open("w"),
        text=True,
        start_new_session=True,
    )
    signal.signal(signal.SIGINT, before)
    driver = Driver(process, folder)
    try:
        yield driver
    finally:
        for pid in driver.pids():  # only what a failed test left
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def assert_nothing_is_left(driver: Driver) -> None:
    deadline = time.monotonic() + GONE_WITHIN_SECONDS
    with contextlib.suppress(subprocess.TimeoutExpired):
        driver.process.wait(GONE_WITHIN_SECONDS)  # reaps the driver, whose parent we are
    while (left := (driver.pids(), os.listdir(driver.folder))) != ({}, []):
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(0.01)


# --- moments ------------------------------------------------------------------------------------


def just_spawned(driver: Driver) -> None:
    pass


def folder_made(driver: Driver) -> None:
    wait_until(lambda: os.listdir(driver.folder), READY_WITHIN_SECONDS, "a private folder")


def engine_exists(driver: Driver) -> None:
    wait_until(lambda: driver.pid_of("-m ministack"), READY_WITHIN_SECONDS, "an engine")


def ready(driver: Driver) -> None:
    driver.wait_for_line("ready")
    assert len(driver.pids()) >= 3, "driver, guard and engine"


def function_busy(driver: Driver) -> None:
    wait_until(lambda: list(driver.folder.glob("*/busy")), READY_WITHIN_SECONDS, "a busy function")
    assert len(driver.pids()) >= 4, "driver, guard, engine and worker"


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize(
    "moment",
    [
        just_spawned,
        pytest.param(folder_made, marks=pytest.mark.exhaustive),
        engine_exists,
        ready,
    ],
)
def test_nothing_outlives_the_engines_parent(
    number: signal.Signals, moment: Callable[[Driver], None], tmp_path: Path
) -> None:
    with driving(python(DRIVER_OF_THE_ENGINE), tmp_path) as driver:
        moment(driver)
        driver.end(number)
        assert_nothing_is_left(driver)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_busy_function_ends_with_the_parent(number: signal.Signals, tmp_path: Path) -> None:
    with driving(python(DRIVER_OF_A_FUNCTION), tmp_path) as driver:
        function_busy(driver)
        driver.end(number)
        assert_nothing_is_left(driver)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_nothing_outlives_a_deployment(number: signal.Signals, tmp_path: Path) -> None:
    with driving(python(DRIVER_OF_THE_STACK), tmp_path) as driver:
        driver.wait_for_line("Deploying")
        driver.end(number)
        assert_nothing_is_left(driver)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("milliseconds", "number"), signals_at(*range(0, 4000, 150)))
def test_nothing_outlives_a_local_stack_at_any_moment(
    milliseconds: int, number: signal.Signals, tmp_path: Path
) -> None:
    with driving(python(DRIVER_OF_THE_STACK), tmp_path) as driver:
        with pytest.raises(subprocess.TimeoutExpired):  # it lives on until it is ended
            driver.process.wait(milliseconds / 1000)
        driver.end(number)
        assert_nothing_is_left(driver)


TICKETS = str(Path(sys.executable).with_name("tickets"))


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_nothing_outlives_tickets_local_start(number: signal.Signals, tmp_path: Path) -> None:
    with driving([TICKETS, "local", "start", "--json"], tmp_path) as driver:
        driver.wait_for_line("{")
        assert len(driver.pids()) >= 3, "command, guard and engine"
        driver.end(number)
        assert_nothing_is_left(driver)
        assert driver.process.stdout is not None
        assert driver.process.stdout.read() == ""  # nothing follows the one object


@pytest.mark.exhaustive
def test_a_signal_that_does_not_interrupt_the_wait_is_heard_all_the_same(tmp_path: Path) -> None:
    with driving(python(DRIVER_WITH_A_THREAD), tmp_path) as driver:
        driver.wait_for_line("ready")
        assert_nothing_is_left(driver)
    assert "Terminated" in (tmp_path / "stderr").read_text()


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("milliseconds", "number"), signals_at(*range(0, 4000, 200), *range(4000, 12000, 1000))
)
def test_nothing_outlives_tickets_demo_at_any_moment(
    milliseconds: int, number: signal.Signals, tmp_path: Path
) -> None:
    with driving([TICKETS, "demo", "--json", "--rows", "400000"], tmp_path) as driver:
        with pytest.raises(subprocess.TimeoutExpired):
            driver.process.wait(milliseconds / 1000)
        driver.end(number)
        assert_nothing_is_left(driver)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_the_console_of_the_demo_shows_the_load_and_ends_with_it(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    command = [TICKETS, "demo", "--rows", "4000", "--console", "--no-browser"]
    with driving(command, tmp_path) as driver:
        url = urllib.parse.urlsplit(driver.wait_for_line("Watch the load: "))
        console = ConsoleClient(int(url.port or 0))
        events = console.events(f"/events{url.path}")
        shown = [page["html"] for name, page in events if name == "page"]
        assert "data-rows" in shown[0]  # the load was running
        assert "The file was loaded" in shown[-1]
        driver.wait_for_line("The console stays at ")
        assert console.get(url.path).status == 200
        driver.end(number)
        assert_nothing_is_left(driver)
        assert driver.process.returncode == code
        with pytest.raises(ConnectionRefusedError):
            console.get("/")
        if code == 0:
            assert (ROOT / driver.wait_for_line("The page of the load: ")).is_file()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_nothing_is_left_when_the_guard_itself_is_ended(
    number: signal.Signals, tmp_path: Path
) -> None:
    with driving(python(DRIVER_OF_THE_ENGINE), tmp_path) as driver:
        ready(driver)
        guard = driver.pid_of("engine_guard.py")
        assert guard is not None
        os.kill(guard, number)
        assert_nothing_is_left(driver)  # the driver notices it, says so, and ends
    assert "guard has ended" in (tmp_path / "stderr").read_text()


def test_an_engine_that_dies_takes_its_functions_along(tmp_path: Path) -> None:
    with driving(python(DRIVER_OF_A_FUNCTION), tmp_path) as driver:
        function_busy(driver)
        pid = driver.pid_of("-m ministack")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert_nothing_is_left(driver)
    assert driver.process.returncode == 0  # `wait` has answered


def test_leaving_the_block_removes_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with Engine.start() as running:
        assert running.pid is not None
        assert running.folder.parent == tmp_path
        assert running.folder.stat().st_mode & 0o777 == 0o700
        assert "Ready" in running.log_tail()
    assert os.listdir(tmp_path) == []
    assert not Path(f"/proc/{running.pid}").exists()
    running.stop()  # again, to no effect


# --- sockets and settings -----------------------------------------------------------------------


@pytest.mark.exhaustive
def test_the_local_stack_listens_on_loopback_only_and_ignores_the_callers_settings(
    tmp_path: Path,
) -> None:
    hostile = {
        "AWS_ACCESS_KEY_ID": "AKIALEAKED",
        "AWS_SECRET_ACCESS_KEY": "leaked",
        "AWS_SESSION_TOKEN": "leaked",
        "AWS_PROFILE": "no-such-profile",
        "AWS_REGION": "eu-west-3",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "MINISTACK_ACCOUNT_ID": "111122223333",
        "AUTH": "false",
        "BIND_HOST": "0.0.0.0",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "NO_PROXY": "",
        "no_proxy": "",
    }
    with driving(python(DRIVER_OF_THE_STACK), tmp_path, **hostile) as driver:
        ready(driver)
        addresses = listening_addresses(driver.pids())
        assert addresses, "the engine at least"
        assert all(a.startswith("0100007F:") for a in addresses), addresses
        pid = driver.pid_of("-m ministack")
        settings = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        names = {setting.split(b"=")[0].decode() for setting in settings}
        assert not {name for name in names if name.startswith("AWS_") or "proxy" in name.lower()}
        assert "MINISTACK_ACCOUNT_ID" not in names
        assert b"AUTH=true" in settings
        driver.end(signal.SIGINT)
        assert_nothing_is_left(driver)


def test_a_port_that_is_taken_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {port} is in use"):
            Engine.start(port)
    assert os.listdir(tmp_path) == []


@pytest.mark.exhaustive
def test_a_port_lost_to_another_process_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    free_port = engine._free_port
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        answers = iter([taken, free_port()])
        monkeypatch.setattr(engine, "_free_port", lambda: next(answers))
        with Engine.start() as running:
            assert running.port != taken


def test_another_engine_on_the_port_is_not_taken_for_ours() -> None:
    with Engine.start() as running:
        impostor = object.__new__(Engine)
        impostor.port, impostor._token = running.port, "another"
        assert running._answers()
        assert not impostor._answers()


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["no-such-program"], r"could not be started: .*no-such-program"),
        ([sys.executable, "-c", "exit('last words')"], r"ended with code 1 .*\n.*last words"),
    ],
)
def test_an_engine_that_cannot_start_says_why(
    command: list[str], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(engine, "COMMAND", command)
    with pytest.raises(EngineError, match=reason):
        Engine.start()
    assert os.listdir(tmp_path) == []


def test_a_guard_that_cannot_run_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken_guard.py"
    broken.write_text("import no_such_module")
    monkeypatch.setattr("tickets.local.engine.engine_guard.__file__", str(broken))
    with pytest.raises(EngineError, match=r"guard has ended(.|\n)*no_such_module"):
        Engine.start()
