"""The judge of bypass cases on real planes: one shipped case that a sidecar cannot hold and a mesh can."""

import json
from pathlib import Path

from typer.testing import CliRunner

from harness.cli.main import app
from harness.manifests.place import SCENARIOS


def test_flushed_rules_get_around_a_sidecar_and_not_around_the_mesh(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    asked = ["conform", str(SCENARIOS / "conformance" / "bypass" / "flush-egress"), "--json", str(out)]
    ended = CliRunner().invoke(app, [*asked, "--dataplane", "sidecar-mtls", "--dataplane", "ebpf"], standalone_mode=False)
    assert ended.return_value == 0, ended.output
    rows = {row["dataplane"]: row["outcome"] for row in json.loads(out.read_text())["results"]}
    assert rows == {"sidecar-mtls": "fail", "ebpf": "pass"}
