"""What known effects are made of does what it says, and a campaign's rows of them give figures of it."""

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness import meters, traffic
from harness.campaign.folder import begin, resume
from harness.campaign.journal import Journal
from harness.campaign.known_cells import EVERY, LOADS
from harness.campaign.plan import Mode, Plan, plan
from harness.campaign.run import Campaign
from harness.campaign.samples import gather
from harness.dataplanes import find
from harness.judge.known_effects import LOSS, known_effects
from harness.lab import netns
from harness.lab.cgroups import cpu_usage, pids
from harness.lab.idle import kept_awake
from harness.lab.netns import NetnsLab
from harness.manifests.bench import load_bench
from harness.model.bench import KNOWN_EFFECTS, LoadKind, LoadPoint, MixPart
from harness.model.topology import Namespace, Pod, Topology
from harness.traffic.burner import PERIOD, burner
from harness.traffic.delayed import after, serve_delayed
from harness.traffic.generator import generate
from harness.traffic.lossy import TABLE, losing
from harness.traffic.openloop import SPIN

TOPOLOGY = Topology("injected", ("n1", "n2"), (Namespace("b", {}),), (Pod("client", "b", "n1"), Pod("server", "b", "n2")))
PORT = 8080
SCENARIOS = Path(__file__).resolve().parents[3] / "scenarios" / "bench"


class NoGauge:
    def begin(self) -> None: ...

    def end(self) -> None: ...


@pytest.fixture(scope="module")
def lab() -> Iterator[NetnsLab]:
    with kept_awake(), netns.up(TOPOLOGY) as made:
        yield made


def test_each_answer_is_delayed_by_what_its_request_asks_for(lab: NetnsLab) -> None:
    client, server = lab.pod("b/client"), lab.pod("b/server")
    delays = (0.0, 100e-6, 1e-3, 3e-3)  # the longest outlasts several requests that come after it
    mix = tuple(MixPart(25, after(delay)) for delay in delays[1:])
    point = LoadPoint("delays", LoadKind.LATENCY, 0.8, 0.1, rate=1000, arrivals="fixed", path=after(delays[0]), mix=mix)
    with serve_delayed(server, PORT) as told:
        run = generate(client, server.pod.ip(4), PORT, point, 1000, NoGauge(), spin=SPIN)
    assert run.errors == 0
    assert len(told.given) == len(run.records)
    assert (told.given["waited"] >= told.given["asked"]).all()
    requests = run.requests
    for form, delay in enumerate(delays):
        # a crowded machine takes the server away for longer now and then; half of the answers are right to some microseconds
        assert delay <= told.waited(delay) <= delay + 50e-6
        seen = requests.done[requests.form == form] - requests.sent[requests.form == form]
        assert len(seen) > 100
        assert seen.min() >= delay * 1e9


def test_every_hundredth_packet_with_a_request_is_lost_and_seen_as_late(lab: NetnsLab) -> None:
    client, server = lab.pod("b/client"), lab.pod("b/server")
    point = next(load for load in LOADS if load.name == LOSS)
    with serve_delayed(server, PORT), losing(server, PORT, EVERY) as losses:
        run = generate(client, server.pod.ip(4), PORT, point, point.rate or 0, NoGauge(), spin=SPIN)
    requests = run.requests
    assert run.errors == 0
    assert losses.packets == len(requests.sent) // (EVERY - 1) == 10
    assert np.count_nonzero(requests.done - requests.sent > 100_000_000) >= losses.packets - 1  # one may be lost twice
    assert TABLE not in server.run(["nft", "list", "tables"]).stdout


def test_what_is_burnt_is_billed_to_the_server_and_is_what_was_stated(lab: NetnsLab) -> None:
    server, share = lab.pod("b/server"), 0.1
    with burner(server, share) as burning:
        group = server.component_cgroup("server")
        for _ in range(2):
            idle = cpu_usage(group).usage
            time.sleep(0.1)
            before = cpu_usage(group).usage
            assert before - idle < 0.001  # turned off it uses nothing
            began = time.monotonic()
            burning.turn(True)
            time.sleep(0.5)
            spent, elapsed = cpu_usage(group).usage - before, time.monotonic() - began
            burning.turn(False)
            # a period that began late on a crowded machine may be owed
            assert share * (elapsed - 8 * PERIOD) <= spent <= share * (elapsed + 2 * PERIOD) + 0.002
    assert pids(group) == []


def test_a_slice_of_whole_periods_that_is_read_a_little_late_has_no_part_of_the_next_period(lab: NetnsLab) -> None:
    server, share = lab.pod("b/server"), 0.2
    with burner(server, share) as burning:
        group = server.component_cgroup("server")
        for _ in range(5):
            before, began = cpu_usage(group).usage, time.monotonic()
            burning.turn(True)
            time.sleep(10 * PERIOD + 0.0003)
            spent, elapsed = cpu_usage(group).usage - before, time.monotonic() - began
            burning.turn(False)
            assert spent <= share * PERIOD * math.floor(elapsed / PERIOD + 0.5) + 0.0004


def row(folder: Path, journal: Journal, asked: Plan) -> list[str]:
    """Run the campaign; what it noted."""
    noted: list[str] = []

    class Observer:
        def planned(self, cells: int, done: int, seconds: float) -> None: ...

        def added(self, cells: int) -> None: ...

        def began(self, what: str) -> None: ...

        def finished(self, what: str) -> None: ...

        def noted(self, what: str) -> None:
            noted.append(what)

    with kept_awake():
        Campaign(
            asked, folder, journal, Observer(), planes={"plain": find("plain")}, loads=traffic.registered(),
            meters=[meter for meter in meters.registered().values() if meter.available() is None], rerun_until=0.0,
        ).run()  # fmt: skip
    return noted


def test_six_blocks_give_figures_of_every_effect_and_are_not_measured_again(tmp_path: Path) -> None:
    (scenario,) = load_bench([SCENARIOS / "http-cross-node.yaml"])
    bare = replace(scenario, loads=(), expectations=())
    asked = plan([bare], ["plain"], Mode.DEFAULT, blocks=6, seed=1)
    journal = begin(tmp_path, asked, {}, [])
    row(tmp_path, journal, asked)
    cells = list(journal.records("cell"))
    assert {(each["block"], each["load"]) for each in cells} == {(block, load.name) for block in range(1, 7) for load in LOADS}
    assert {(each["scenario"], each["arm"]) for each in cells} == {(KNOWN_EFFECTS, "plain")}
    figures = gather(journal).figures
    figures["void"] = None  # a crowded machine voids cells by their lag; what they hold is looked at all the same
    effects = {effect.id: effect for effect in known_effects(figures)}
    assert all(effect.blocks == 6 and math.isfinite(effect.low) for effect in effects.values()), effects
    # far from what would be found if nothing, or twice as much, had been injected
    assert effects["delay-1ms"].found > 1.9e-3
    assert 0.7 < effects["burn"].estimate < 1.4
    assert effects["loss"].estimate >= 0.9
    journal.close()
    again, same = resume(tmp_path, [bare], {}, [])
    row(tmp_path, again, same)
    assert list(again.records("cell")) == cells
    again.close()
