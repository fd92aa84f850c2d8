"""The oracle that compiles policies into sets of points and looks flows up in them."""

from harness.oracle.sets.oracle import Oracle

__all__ = ["Oracle"]
