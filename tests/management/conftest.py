"""Simulated devices for the tests."""

from collections.abc import Iterator

import pytest

from tests.simulators.mediant import Mediant
from tests.simulators.mediant_tls import new_key
from tests.simulators.server import Served


@pytest.fixture(scope="session")
def key() -> bytes:
    """The private key that devices have from the factory: one for all, as making one takes long."""
    return new_key(1024)


@pytest.fixture
def mediant(key: bytes) -> Iterator[Served]:
    """A Mediant of firmware 7.2."""
    with Served(Mediant("7.2", key=key)) as served:
        yield served


@pytest.fixture
def old_mediant(key: bytes) -> Iterator[Served]:
    """A Mediant of firmware 7.0."""
    with Served(Mediant("7.0", key=key)) as served:
        yield served
