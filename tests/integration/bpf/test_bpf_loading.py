"""What libbpf says of an object that cannot be loaded stands in the error, whoever else is loading at the same time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.mesh.objects import LoadFailed, load

THREADS = 8


def said_of(path: Path) -> str:
    with pytest.raises(LoadFailed) as failed:
        load(path)
    return str(failed.value)


def test_threads_that_load_at_once_hear_each_of_its_own_object(tmp_path: Path) -> None:
    """A function that was given back while others were loading had libbpf call memory that was free."""
    paths = [tmp_path / f"junk-{number}.o" for number in range(THREADS)]
    for path in paths:
        path.write_bytes(b"this is no ELF")
    with ThreadPoolExecutor(THREADS) as pool:
        told = list(pool.map(said_of, paths * 100))
    for path, text in zip(paths * 100, told, strict=True):
        warned = text.partition("; ")[2]
        assert path.name in warned
        assert not [other for other in paths if other != path and other.name in warned]
