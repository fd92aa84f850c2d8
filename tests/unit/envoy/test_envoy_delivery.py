import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.envoy.admin import Admin
from harness.envoy.delivery import await_version, refusals, write_listeners
from harness.envoy.errors import EnvoyError, NotAccepted


class FakeProxy:
    """Answers as an Envoy's statistics would, one answer a question, the last one for ever."""

    def __init__(self, ref: str, *answers: dict[str, int | str]) -> None:
        self.pod = SimpleNamespace(pod=SimpleNamespace(ref=ref))
        self.admin = self
        self.folder = Path("/folder")
        self._answers = list(answers)

    def statistics(self, pattern: str) -> dict[str, int | str]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return {f"listener_manager.{name}": value for name, value in answer.items()}

    def refusal(self) -> str:
        return "cannot bind"

    def last_words(self) -> str:
        return "its last words: no"


def test_version_is_awaited_until_old_connections_are_gone():
    proxy = FakeProxy(
        "shop/a",
        {"lds.version_text": "1"},
        {"lds.version_text": "2", "total_filter_chains_draining": 1},
        {"lds.version_text": "2", "total_filter_chains_draining": 0},
    )
    await_version({proxy: 0}, "2", 5.0)
    assert len(proxy._answers) == 1


def test_pod_whose_envoy_refused_is_named_at_once():
    good = FakeProxy("shop/a", {"lds.version_text": "2"})
    bad = FakeProxy("shop/b", {"lds.version_text": "1", "lds.update_rejected": 3})
    with pytest.raises(NotAccepted, match=r"^shop/b: Envoy refused version 2 \(/folder/listeners\.json\): cannot bind$"):
        await_version({good: 0, bad: 2}, "2", 300.0)


def test_refusal_of_an_earlier_version_does_not_count():
    old = {"lds.version_text": "1", "lds.update_rejected": 3}
    proxy = FakeProxy("shop/b", old, old, {**old, "lds.version_text": "3"})
    assert refusals([proxy]) == {proxy: 3}
    await_version({proxy: 3}, "3", 5.0)


def test_pod_that_stays_behind_is_named_with_envoys_last_words():
    good = FakeProxy("shop/a", {"lds.version_text": "2"})
    late = FakeProxy("shop/b", {"lds.version_text": "1"})
    with pytest.raises(NotAccepted, match=r"shop/b uses '1' \(its last words: no\)") as raised:
        await_version({good: 0, late: 0}, "2", 0.05)
    assert "shop/a" not in str(raised.value)


def test_pod_that_still_drains_is_named():
    proxy = FakeProxy("shop/a", {"lds.version_text": "2", "total_filter_chains_draining": 1})
    with pytest.raises(NotAccepted, match=r"shop/a still has listener_manager\.total_filter_chains_draining"):
        await_version({proxy: 0}, "2", 0.05)


def test_listeners_are_replaced_whole(tmp_path: Path):
    write_listeners(tmp_path, "1", [{"name": "a"}])
    before = (tmp_path / "listeners.json").stat().st_ino
    write_listeners(tmp_path, "2", [{"name": "b"}])
    assert json.loads((tmp_path / "listeners.json").read_text()) == {"version_info": "2", "resources": [{"name": "b"}]}
    assert (tmp_path / "listeners.json").stat().st_ino != before
    assert [path.name for path in tmp_path.iterdir()] == ["listeners.json"]


def test_socket_path_that_no_kernel_takes_is_refused():
    with pytest.raises(EnvoyError, match="longer than 107 bytes"):
        Admin(Path("/" + "x" * 107))


def test_envoy_that_does_not_listen_is_not_ready(tmp_path: Path):
    admin = Admin(tmp_path / "admin.sock")
    assert admin.ready() is False
    with pytest.raises(EnvoyError, match="no answer from Envoy's admin socket"):
        admin.statistics(".")
