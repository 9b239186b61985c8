"""The stack on moto, holding the objects of events/."""

from collections.abc import Callable

import pytest

from tests.support.cloud import Cloud, forget_clients
from tests.support.sample_events import store_objects


@pytest.fixture
def stocked(cloud: Cloud) -> Cloud:
    """A stack with the objects that the events are about."""
    store_objects(cloud)
    return cloud


@pytest.fixture
def fresh_clients() -> Callable[[], None]:
    """For a test that changes what the handlers' clients are made from."""
    return forget_clients
