"""Scenarios of files and folders, whatever kind they are of."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from harness.manifests.errors import Fault, ManifestError, refuse
from harness.model.origin import Origin


class Named(Protocol):
    """What is named by its file."""

    @property
    def name(self) -> str: ...

    @property
    def origin(self) -> Origin: ...


Scenario = TypeVar("Scenario", bound=Named)


def load_each(paths: Sequence[Path], load: Callable[[Path], Scenario]) -> list[Scenario]:
    """What ``load`` reads of each file, and of each YAML file of each folder (not of the folders in it), in their order.

    Raises ManifestError with all faults of all files; two of one name are a fault.
    """
    faults: list[Fault] = []
    scenarios: dict[str, Scenario] = {}
    for file in _files(paths, faults):
        try:
            scenario = load(file)
        except ManifestError as broken:
            faults += broken.faults
            continue
        earlier = scenarios.setdefault(scenario.name, scenario)
        if earlier is not scenario:
            what = f"a scenario of this file name is {earlier.origin.file} already; rename one"
            faults.append(Fault(scenario.origin, what))
    refuse(faults)
    return list(scenarios.values())


def _files(paths: Sequence[Path], faults: list[Fault]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = sorted(each for each in path.iterdir() if each.suffix in (".yaml", ".yml") and each.is_file())
        if not inside:
            faults.append(Fault(Origin(str(path), 1), "no scenario (*.yaml) in this folder; name another"))
        yield from inside
