"""Before any test imports them: otherwise a failed assertion in these modules shows no values."""

import pytest

pytest.register_assert_rewrite(
    "tests.e2e.accounts",
    "tests.e2e.running_stack",
    "tests.faults.burst",
    "tests.faults.tasks",
    "tests.faults.wire",
)
