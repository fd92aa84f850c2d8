"""Where Debian's packages are asked for, and what apt's answers are taken to mean."""

from collections.abc import Sequence

import pytest

from harness.lab.port import Completed, LabError
from harness.lab.vm import packages
from harness.lab.vm.packages import BACKPORTS, SUITE, Lists, entry, required

TARGETS = """bookworm|oldstable|contrib|http://mirror.example/debian/
bookworm-security|oldstable-security|main|http://security.example/debian-security/
bookworm|oldstable|main|http://mirror.example/debian/
"""
POLICY = """qemu-utils:
  Installed: (none)
  Candidate: 1:7.2+dfsg-7+deb12u18
  Version table:
nobody-has-this:
  Installed: (none)
  Candidate: (none)
"""


def saying(monkeypatch: pytest.MonkeyPatch, **answers: str) -> list[Sequence[str]]:
    """Have programs answer so, by name; returns what they are asked."""
    asked: list[Sequence[str]] = []

    def run(argv: Sequence[str], **_: object) -> Completed:
        asked.append(argv)
        return Completed(tuple(argv), 0, answers[argv[0].replace("-", "_")], "")

    monkeypatch.setattr(packages, "run", run)
    return asked


def test_the_machines_own_mirror_is_used_and_signed_by_debian(monkeypatch: pytest.MonkeyPatch) -> None:
    saying(monkeypatch, apt_get=TARGETS)
    lines = entry(SUITE, BACKPORTS).splitlines()
    assert "URIs: http://mirror.example/debian/" in lines
    assert "Suites: bookworm bookworm-backports" in lines
    assert lines[-1].startswith("Signed-By: /usr/share/keyrings/debian-archive-keyring")


def test_a_machine_of_another_debian_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    saying(monkeypatch, apt_get="trixie|stable|main|http://mirror.example/debian/\n")
    with pytest.raises(LabError, match="no mirror of Debian bookworm"):
        entry(SUITE)


def test_versions_are_candidates_and_a_package_without_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    saying(monkeypatch, apt_cache=POLICY)
    monkeypatch.setattr(Lists, "refresh", lambda _: None)
    lists = Lists(SUITE)
    assert lists.versions("qemu-utils") == {"qemu-utils": "1:7.2+dfsg-7+deb12u18", "nobody-has-this": "(none)"}
    with pytest.raises(LabError, match="apt has no nobody-has-this in bookworm"):
        lists.versions("qemu-utils", "nobody-has-this")


def test_the_kernel_is_the_one_that_the_suite_stands_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = saying(
        monkeypatch, apt_cache="linux-image-amd64\n  Depends: linux-image-6.12.9-amd64\n  Conflicts: linux-image-x\n"
    )
    monkeypatch.setattr(Lists, "refresh", lambda _: None)
    monkeypatch.setattr(Lists, "versions", lambda _, name: {name: "6.12.9-1~bpo12+1"})
    assert Lists(BACKPORTS).image_package() == ("linux-image-6.12.9-amd64", "6.12.9-1~bpo12+1")
    assert asked[0][-3:-1] == ["depends", "--important"]


def test_what_is_missing_is_named_with_its_package() -> None:
    required([("sh", "dash")])
    with pytest.raises(LabError, match=r"need no-such: install them by `sudo apt-get install no-such`"):
        required([("sh", "dash"), ("no-such-program", "no-such")])
