"""Conformance cases of requests between two pods, as tests write them, and what is said of those that cannot be asked."""

from pathlib import Path

import pytest

from harness.manifests.case import load_cases
from harness.manifests.errors import ManifestError

TOPOLOGY = """\
namespaces: {shop: {}}
pods: [{name: a, namespace: shop}, {name: b, namespace: shop}]
"""
HEAD = "title: T\nwhy: W\ntopology: ../../topology.yaml\n"


def case_file(folder: Path) -> Path:
    """Where a case of ``folder`` is to be written, whose topology is there already."""
    file = folder / "requests" / "first" / "scenario.yaml"
    file.parent.mkdir(parents=True)
    (folder / "topology.yaml").write_text(TOPOLOGY)
    return file


def refusal(file: Path, text: str) -> str:
    """The first fault of a case, by line. Of a field with alternatives there is one for each."""
    file.write_text(HEAD + text)
    with pytest.raises(ManifestError) as refused:
        load_cases([file.parents[1]])
    return str(refused.value.faults[0]).removeprefix(f"{file}:")
