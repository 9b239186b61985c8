"""The stack on moto, holding the objects of events/."""

import json
from collections.abc import Callable

import pytest

from tests.support.cloud import EVENTS, Cloud, forget_clients


@pytest.fixture
def stocked(cloud: Cloud) -> Cloud:
    """A stack with the objects that the events are about."""
    for one in json.loads((EVENTS / "objects" / "objects.json").read_text()):
        body = (EVENTS / "objects" / one["file"]).read_bytes()
        cloud.put(body, one["key"], one["bucket"], one["version_id"])
    return cloud


@pytest.fixture
def fresh_clients() -> Callable[[], None]:
    """For a test that changes what the handlers' clients are made from."""
    return forget_clients
