"""Measures how long a new process takes to import write_chunk's handler, and boto3 alone.

python -m benchmarks.write_path.imports MODULE
"""

import importlib
import json
import statistics
import sys
import time

from benchmarks.write_path.processes import run_module
from tickets import ROOT

MODULES = ("handlers.write_chunk", "boto3")


def measure(rounds: int) -> dict[str, float]:
    """The wall time of the import in milliseconds by module, as the median of the rounds. An
    additional first round, which compiles the byte code, does not count."""
    runs: dict[str, list[float]] = {module: [] for module in MODULES}
    for _ in range(rounds + 1):
        for module in MODULES:
            runs[module].append(float(run_module("imports", module)))
    return {module: statistics.median(found[1:]) for module, found in runs.items()}


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "functions"))  # as in the Lambda function
    before = time.perf_counter()
    importlib.import_module(sys.argv[1])
    print(json.dumps((time.perf_counter() - before) * 1000))
