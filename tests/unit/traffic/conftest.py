"""A pod that is this machine's loopback, so that loads can be tried without root."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from loopback import LocalPod, stalling


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalPod]:
    pod = LocalPod(tmp_path)
    yield pod
    for process in pod.started:
        assert process.poll() is not None, "a load left its process behind"


@pytest.fixture(scope="session")
def steady() -> Iterator[SimpleNamespace]:
    with stalling(1.0, 0.0) as server:
        yield server
