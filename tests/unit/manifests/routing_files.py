"""Manifests of Gateway API, as text that a test writes into a file."""

from pathlib import Path

import pytest

from harness.manifests.errors import ManifestError
from harness.manifests.objects import load_manifests
from harness.model.routing import Routing

HTTP = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\n"
GRPC = HTTP.replace("HTTPRoute", "GRPCRoute")


def load(folder: Path, text: str) -> Routing:
    (folder / "r.yaml").write_text(text)
    return load_manifests([folder / "r.yaml"]).routing


def refusal(folder: Path, text: str) -> list[str]:
    """The faults found in ``text``, each without its file's name."""
    with pytest.raises(ManifestError) as refused:
        load(folder, text)
    return [str(fault).removeprefix(f"{folder / 'r.yaml'}:") for fault in refused.value.faults]
