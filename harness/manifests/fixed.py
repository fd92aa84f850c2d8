"""The files that say what decides: fixed before a run, and hashed into it."""

import hashlib

from harness.manifests.place import SCENARIOS

FIXED = ("claims.yaml", "workloads.yaml", "targets.yaml")


def digests() -> dict[str, str]:
    """The SHA-256 of each, by its path in the checkout: ``scenarios/claims.yaml``."""
    return {f"scenarios/{name}": hashlib.sha256((SCENARIOS / name).read_bytes()).hexdigest() for name in FIXED}


def changed(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """The files that are others than those hashed before, a file that was not hashed included."""
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def case_names() -> list[str]:
    """``area/name`` of every shipped conformance case."""
    folder = SCENARIOS / "conformance"
    return sorted(f"{file.parent.parent.name}/{file.parent.name}" for file in folder.glob("*/*/scenario.yaml"))
