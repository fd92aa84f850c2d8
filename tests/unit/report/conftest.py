import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from example_run import write_example

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="session")
def default_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A default run: six arms, two scenarios, seven blocks, one of them void. Read only."""
    folder = tmp_path_factory.mktemp("runs") / "default"
    write_example(folder)
    return folder


@pytest.fixture(scope="session")
def quick_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quick run: one block, three planes. Read only."""
    folder = tmp_path_factory.mktemp("runs") / "quick"
    write_example(folder, "quick")
    return folder


@pytest.fixture
def changed(quick_folder: Path, tmp_path: Path) -> Callable[[Change], Path]:
    """A copy of the quick run whose run.json was changed."""

    def make(change: Change) -> Path:
        folder = tmp_path / "run"
        shutil.copytree(quick_folder, folder)
        document = json.loads((folder / "run.json").read_text())
        change(document)
        (folder / "run.json").write_text(json.dumps(document))
        return folder

    return make
