"""Where the shipped scenarios and topologies are, and how paths of theirs are shown."""

from pathlib import Path

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def shown(path: Path) -> Path:
    """``path`` as a user would type it: relative where it lies below the working directory."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
