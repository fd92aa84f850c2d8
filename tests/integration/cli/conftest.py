import subprocess
from pathlib import Path

import pytest
from command_line import MESHPROOF, Run

SCENARIO = """
title: A short one
why: To try the command line.
topology: pair
client: shop/client
server: shop/server
port: 8080
expect: {otherwise: forwarded, flows: []}
loads:
  latency: {kind: latency, rate: 200, arrivals: fixed, connections: 2, seconds: 0.4, warmup: 0.1}
  cost: {kind: cost, rate: 200, arrivals: fixed, connections: 2, seconds: 0.4, warmup: 0.1}
  bulk: {kind: bulk, seconds: 1, warmup: 0}
"""


@pytest.fixture
def meshproof() -> Run:
    """Runs the command as a user types it; the result has its status and both outputs."""

    def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([MESHPROOF, *arguments], capture_output=True, text=True, timeout=240, check=False)

    return run


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "short.yaml"
    path.write_text(SCENARIO)
    return path
