from pathlib import Path

import pytest

from harness.mesh.drops import number, reasons


def test_every_reason_of_the_header_is_read_with_its_text() -> None:
    found = reasons()
    assert found[0].name == "none"
    assert number("policy_ingress") == 2
    assert sorted(found) == list(range(len(found)))
    assert all(reason.text for reason in found.values())


def test_a_line_that_is_not_understood_is_an_error(tmp_path: Path) -> None:
    header = tmp_path / "drop.h"
    header.write_text("enum drop_reason {\n\tDROP_NONE = 0, /* not dropped */\n\tDROP_ODD,\n\tDROP_REASONS\n};\n")
    with pytest.raises(ValueError, match="'DROP_ODD,' is not"):
        reasons(header)
