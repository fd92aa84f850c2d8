"""What is compared. A data plane is one module here with a ``DATA_PLANES`` tuple; nothing else need change."""

import pkgutil
from importlib import import_module

from harness.dataplanes.port import DataPlane, Tunable


class NoSuchDataPlane(Exception):
    """A name that stands for no data plane, with those that there are."""


def registered() -> dict[str, DataPlane]:
    """Every data plane by name, in the order of module names."""
    planes: dict[str, DataPlane] = {}
    for module in pkgutil.iter_modules(__path__):
        for plane in getattr(import_module(f"{__name__}.{module.name}"), "DATA_PLANES", ()):
            planes[plane.name] = plane
    return planes


def find(name: str) -> DataPlane:
    """The data plane called ``name``, or ``name@settings`` of one that can be tuned. Raises NoSuchDataPlane."""
    planes = registered()
    base, at, settings = name.partition("@")
    plane = planes.get(base)
    if plane is None:
        raise NoSuchDataPlane(f"no data plane is called {base!r}: there are {', '.join(sorted(planes))}")
    if not at:
        return plane
    if not isinstance(plane, Tunable):
        raise NoSuchDataPlane(f"{base} has no settings to tune: give its name without {at + settings!r}")
    try:
        return plane.tuned(settings)
    except ValueError as error:
        raise NoSuchDataPlane(f"{name}: {error}") from None
