"""Before any test imports it: otherwise a failed assertion in tests/support shows no values."""

import pytest

pytest.register_assert_rewrite("tests.support")
