"""What no file may hold, whatever it is for, and the exact words in which it is refused."""

from pathlib import Path

import pytest

from harness.manifests.document import dotted, read_document, read_documents
from harness.manifests.errors import ManifestError

BILLION_LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{below}'] * 10)}]\n" for below, name in zip("abcdefg", "bcdefgh", strict=True)
)

REFUSED = {
    "duplicate key": ("a: 1\nb: 2\na: 3\n", '3: duplicate key "a", first on line 1; keep one'),
    "tab": ("a:\n\tb: 1\n", "2: a tab in the indentation, which YAML does not allow; use spaces"),
    "not YAML": ("a: b: c\n", "1: not YAML: mapping values are not allowed in this context; correct the syntax"),
    "control character": ("a: b\nc: \x01\n", "2: a control character, which YAML does not allow; remove it"),
    "tag": (
        "a: 1\nb: !!python/name:os.system x\n",
        '2: tag "tag:yaml.org,2002:python/name:os.system"; tags are not supported: remove it',
    ),
    "unknown alias": ("a: *b\n", "1: alias *b has no anchor &b that is complete before it"),
    "alias inside itself": ("a: &a [*a]\n", "1: alias *a has no anchor &a that is complete before it"),
    "merge of a list": ("a: &a [1]\nb:\n  <<: [*a]\n", "1: << merges mappings only; give it an alias of a mapping"),
    "mapping as a key": ("? {a: 1}\n: b\n", "1: a list or mapping as a key; keys are strings"),
    "deep nesting": ("[" * 100_000, "1: nested deeper than 100 levels; flatten it"),
    "exploding aliases": (BILLION_LAUGHS, "1: aliases expand to over 2,000,000 values; write what is meant"),
    "empty file": ("", "1: the file is empty; write a scenario in it"),
    "comments only": ("# nothing\n", "1: the file is empty; write a scenario in it"),
    "two documents": ("a: 1\n---\nb: 2\n", "3: a second document; a file holds one: put a scenario in a file of its own"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_plain_yaml_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(ManifestError) as refused:
        read_document(file, "a scenario")
    assert str(refused.value) == f"{file}:{message}"


def test_bytes_that_are_not_utf8_are_refused_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(ManifestError, match=r"x\.yaml:2: byte 0xe9 is not UTF-8; save the file as UTF-8$"):
        read_documents(file)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"none\.yaml:1: no such file; check the path$"):
        read_documents(tmp_path / "none.yaml")
    with pytest.raises(ManifestError, match=r":1: cannot be read: Is a directory$"):
        read_documents(tmp_path)


def test_all_faults_of_a_file_are_reported_in_the_order_of_lines(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("a: 1\na: 2\nb: !x y\nc: *no\n")
    with pytest.raises(ManifestError) as refused:
        read_documents(file)
    assert [fault.origin.line for fault in refused.value.faults] == [2, 3, 4]


def test_every_value_knows_its_line(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("# first\na:\n  b:\n    - c\n    - {d: 1,\n       e: 2}\n---\nf: g\n")
    first, second = read_documents(file)
    lines = {
        (): 2,
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "b", 0): 4,
        ("a", "b", 1): 5,
        ("a", "b", 1, "d"): 5,
        ("a", "b", 1, "e"): 6,
        ("a", "b", 1, "missing"): 5,
        ("a", "missing", "deeper"): 2,
    }
    assert {path: first.origin(path).line for path in lines} == lines
    assert second.origin(("f",)).line == 8


def test_anchors_aliases_and_merges_are_understood(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("a: &a {x: 1, z: 2}\nb: *a\nc:\n  <<: *a\n  z: 3\n")
    document = read_document(file, "data")
    assert document.data == {"a": {"x": 1, "z": 2}, "b": {"x": 1, "z": 2}, "c": {"x": 1, "z": 3}}
    assert document.origin(("c", "x")).line == 1
    assert document.origin(("c", "z")).line == 5


def test_json_with_tabs_and_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text('\ufeff{\n\t"a": [1,\n\t\ttrue]\n}')
    assert read_document(file, "data").data == {"a": [1, True]}


def test_paths_are_printed_as_users_write_them() -> None:
    assert dotted(("spec", "ingress", 0, "from", 1)) == "spec.ingress[0].from[1]"
    assert dotted(("matchLabels", "app.kubernetes.io/name")) == 'matchLabels["app.kubernetes.io/name"]'
    assert dotted(("expect", "flows", 0, "to")) == "flows[0].to"
