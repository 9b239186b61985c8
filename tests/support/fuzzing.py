"""How many generated files a test tries: a few in `make test`, FUZZ_FILES in `make fuzz`, which CI
runs with 300."""

import os

FUZZING = "FUZZ_FILES" in os.environ
SEED = int(os.environ.get("FUZZ_SEED", "3"))
ONLY = os.environ.get("FUZZ_ONLY")
"""The number of the only file to try, as a failed test names it."""


def files(quick: int) -> int:
    """The number of files to try; `quick` in `make test`."""
    return int(os.environ.get("FUZZ_FILES", quick))
