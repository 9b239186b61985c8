"""The template with the defaults that AWS gets, for every test of its guarantees."""

import pytest

from tests.support.deployed import Stack, deploy


@pytest.fixture(scope="session")
def stack() -> Stack:
    """What is deployed with default parameters. Tests only read it."""
    return deploy()
