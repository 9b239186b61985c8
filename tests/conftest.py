"""The stack on moto, for every test that needs one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.cloud import Cloud

# Before any test imports it: otherwise a failed assertion in there shows no values.
pytest.register_assert_rewrite("tests.support")


# moto takes seconds to import, so only tests that use it do.


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """The server of moto in this process."""
    from tests.support.moto_server import moto_server

    with moto_server() as url:
        yield url


@pytest.fixture
def cloud(moto_url: str) -> "Iterator[Cloud]":
    """An empty stack on moto, and handlers that use it."""
    from tests.support.cloud import empty_cloud

    with empty_cloud(moto_url) as cloud:
        yield cloud
