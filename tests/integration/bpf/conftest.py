"""The programs, loaded once; flows are forgotten between tests."""

from collections.abc import Iterator

import pytest
from rig import Rig


@pytest.fixture(scope="session")
def loaded_rig(root: None) -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.close()


@pytest.fixture
def rig(loaded_rig: Rig) -> Rig:
    loaded_rig.fresh()
    return loaded_rig
