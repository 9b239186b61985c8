"""Pages over a stack of the tests' own."""

from tests.support.found_stack import (  # noqa: F401 - fixtures
    alone,
    deployed,
    empty_queues,
    stack,
    step_functions,
)
