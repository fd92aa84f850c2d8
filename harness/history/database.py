"""DuckDB, with bounds: it reads the files of runs where they lie, and keeps nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

MEMORY = "512MB"
"""Of one question. What does not fit is refused, not swapped: no history is worth a machine."""


@contextmanager
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in memory that installs and loads nothing from elsewhere."""
    with duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"}) as connection:
        connection.execute(f"SET memory_limit = '{MEMORY}'")
        connection.execute("SET max_temp_directory_size = '0B'")
        connection.execute("SET threads = 2")
        yield connection
