"""The benchmarks that check their own results run, with small inputs. Speed is not judged."""

import subprocess
import sys

import pytest

from tickets import ROOT


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("benchmarks.scale", "--size 20MB --large 0"),
        ("benchmarks.equal_keys", "--digests 1000000"),
        ("benchmarks.bad_rows_memory", "1 emoji twice"),
        ("benchmarks.plans", ""),
        ("benchmarks.stray_quotes", "1 2"),
        ("benchmarks.write_path.imports", "handlers.write_chunk"),
        ("benchmarks.write_path.split_scan", ""),
    ],
)
def test_a_benchmark_runs(module: str, arguments: str) -> None:
    command = [sys.executable, "-m", module, *arguments.split()]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout
