import pytest

from harness.dataplanes import NoSuchDataPlane, find
from harness.envoy.tuning import BEST, ISTIO_DEFAULTS, parse


def test_named_settings_are_the_committed_ones() -> None:
    assert parse("best") is BEST
    assert parse("istio-defaults") is ISTIO_DEFAULTS


def test_changes_are_made_to_the_defaults() -> None:
    chosen = parse("concurrency=1,access_log=true,buffer_bytes=32768")
    assert (chosen.concurrency, chosen.access_log, chosen.buffer_bytes) == (1, True, 32768)
    assert chosen.retries == ISTIO_DEFAULTS.retries


@pytest.mark.parametrize("settings", ["", "fast", "concurrency=many", "concurrency=-1", "access_log=1", "=1"])
def test_what_is_no_setting_is_refused_with_those_that_are(settings: str) -> None:
    with pytest.raises(ValueError, match=r"is no setting; there are istio-defaults, best, concurrency=N"):
        parse(settings)


def test_a_tuned_plane_is_named_for_its_settings() -> None:
    assert find("sidecar@concurrency=1").name == "sidecar@concurrency=1"
    with pytest.raises(NoSuchDataPlane, match="sidecar@nonsense: 'nonsense' is no setting"):
        find("sidecar@nonsense")
