"""microburst as a child process: faults in AWS's own wire format, so that the SDK believes them.

Its errors have the code, envelope and status that botocore's models tell. It rewrites the Host
header, which breaks signatures, so it stands before moto's server only, which checks none.
"""

import contextlib
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from tests.support.wire import Wire
from tickets.local.engine import _free_port
from tickets.runs.waiting import polls

HOST = "127.0.0.1"
_START_DEADLINE_SECONDS = 30.0
# Its standard input ends however this process ends, and it ends with it.
_MICROBURST = """
import os, sys, threading
from microburst.cli import main
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
main()
"""

Fired = list[dict[str, Any]]


class Burst:
    def __init__(self, port: int) -> None:
        self.url = f"http://{HOST}:{port}"

    @classmethod
    @contextlib.contextmanager
    def before(cls, upstream: str) -> Iterator["Burst"]:
        """A microburst to the server at a URL, ended when the block is left."""
        port = _free_port()
        arguments = ["--host", HOST, "--port", str(port), "--upstream", upstream]
        with subprocess.Popen(
            [sys.executable, "-c", _MICROBURST, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                burst = cls(port)
                for _ in polls(0.02, _START_DEADLINE_SECONDS):
                    assert process.poll() is None, "microburst ended while it started"
                    with contextlib.suppress(OSError):
                        assert burst._control("GET", "health")["upstream"] == upstream
                        break
                yield burst
            finally:
                process.kill()

    @contextlib.contextmanager
    def fault(self, wire: Wire, **rule: Any) -> Iterator[Fired]:
        """Within the block the wire's calls come by here, and a rule holds for them; afterwards the
        list has what it did, by microburst's own record.

        A rule that never matched is silent, so leaving the block then fails the test.
        """
        fired: Fired = []
        self._control("DELETE", "fired")
        self._control("POST", "rules", [rule])
        try:
            with wire.by_way_of(self.url):
                yield fired
        finally:
            self._control("POST", "rules", [])
            fired += self._control("GET", "fired?limit=10000")
        assert fired, f"the rule never matched: {rule}"

    def _control(self, method: str, path: str, rules: list[dict[str, Any]] | None = None) -> Any:
        body = None if rules is None else json.dumps(rules).encode()
        request = urllib.request.Request(  # noqa: S310 - the URL is ours
            f"{self.url}/_microburst/{path}",
            body,
            {"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
            return json.loads(answer.read())
