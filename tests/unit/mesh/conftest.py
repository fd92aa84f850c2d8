"""The cluster that these tests judge policies in."""

import pytest
from mesh_world import World


@pytest.fixture
def world() -> World:
    return World()
