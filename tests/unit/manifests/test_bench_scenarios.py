"""Benchmark scenarios: the matrix is written out, and what does not fit is refused with its line."""

from pathlib import Path

import pytest

from harness.manifests.bench import load_bench
from harness.manifests.errors import ManifestError
from harness.manifests.place import SCENARIOS
from harness.model.bench import BenchScenario, Front, LoadKind, LoadPoint, MixPart
from harness.model.flow import Flow, Verdict

TOPOLOGY = """\
nodes: [n1, n2]
namespaces: {shop: {}, evil: {}}
pods:
  - {name: client, namespace: shop}
  - {name: server, namespace: shop, node: n2}
  - {name: stranger, namespace: evil}
"""
POLICY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
spec: {}
---
apiVersion: v1
kind: Service
metadata: {name: server}
"""
SCENARIO = """\
title: HTTP
why: To test.
topology: ./pair.yaml
client: shop/client
server: shop/server
port: 8080
apply: [policies]
expect:
  otherwise: denied
  flows:
    - {from: shop/client, to: shop/server, port: 8080, verdict: forwarded}
    - {from: evil/stranger, to: shop/server, port: 8080, family: 6, verdict: rejected}
    - {from: shop/client, to: shop/server, port: 5201, verdict: forwarded}
loads:
  latency-1000: {kind: latency, rate: 1000, seconds: 2}
  half: {kind: cost, rate: half-of-slowest-maximum, connections: 8, seconds: 1.5, warmup: 0,
    arrivals: fixed, family: 6, path: /64k}
  top: {kind: maximum, seconds: 1, warmup: 0.5}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(SCENARIOS.parent)  # messages name shipped files from here
    (tmp_path / "pair.yaml").write_text(TOPOLOGY)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.yaml").write_text(POLICY)
    return tmp_path


def load(folder: Path, text: str = SCENARIO) -> BenchScenario:
    file = folder / "scenario.yaml"
    file.write_text(text)
    (scenario,) = load_bench([file])
    return scenario


def refusal(folder: Path, text: str) -> list[str]:
    with pytest.raises(ManifestError) as refused:
        load(folder, text)
    return [str(fault).removeprefix(f"{folder}/") for fault in refused.value.faults]


def test_pods_policies_and_loads_reach_the_model(folder: Path) -> None:
    scenario = load(folder)
    assert (scenario.name, scenario.title, scenario.quick, scenario.same_node) == ("scenario", "HTTP", False, False)
    assert [policy.name for policy in scenario.policies] == ["p"]
    assert scenario.not_judged == {"Service": 1}
    assert scenario.loads == (
        LoadPoint("latency-1000", LoadKind.LATENCY, 2, 0.3, 1000.0),
        LoadPoint("half", LoadKind.COST, 1.5, 0, None, True, 8, "fixed", 6, "/64k"),
        LoadPoint("top", LoadKind.MAXIMUM, 1, 0.5),
    )


def test_otherwise_is_written_out_for_every_pair_and_family_that_is_not_listed(folder: Path) -> None:
    matrix = {each.flow: (each.verdict, each.origin.line) for each in load(folder).expectations}
    pods = ("shop/client", "shop/server", "evil/stranger")
    pairs = {Flow(a, b, 8080, family=family) for a in pods for b in pods if a != b for family in (4, 6)}
    listed = {
        Flow("shop/client", "shop/server", 8080, family=4): (Verdict.FORWARDED, 11),
        Flow("shop/client", "shop/server", 8080, family=6): (Verdict.FORWARDED, 11),
        Flow("evil/stranger", "shop/server", 8080, family=6): (Verdict.REJECTED, 12),
        Flow("shop/client", "shop/server", 5201, family=4): (Verdict.FORWARDED, 13),
        Flow("shop/client", "shop/server", 5201, family=6): (Verdict.FORWARDED, 13),
    }
    assert matrix == dict.fromkeys(pairs, (Verdict.DENIED, 9)) | listed


def test_without_otherwise_only_what_is_listed_is_expected(folder: Path) -> None:
    assert len(load(folder, SCENARIO.replace("  otherwise: denied\n", "")).expectations) == 5


RATE = "want requests a second (1 to 1,000,000) or half-of-slowest-maximum"
REPLACED = {
    ("to: shop/server, port: 8080, verdict", "to: shop/servr, port: 8080, verdict"):
        ['scenario.yaml:11: flows[0].to: no pod "shop/servr" (did you mean "shop/server"?)'],
    ("client: shop/client", "client: shop/clinet"):
        ['scenario.yaml:4: client: no pod "shop/clinet" (did you mean "shop/client"?)'],
    ("server: shop/server", "server: shop/client"): ["scenario.yaml:5: server: the client itself; name another pod"],
    ("port: 8080\napply", "port: 80800\napply"): ["scenario.yaml:6: port: want at most 65535, found the number 80800"],
    ("port: 8080\napply", 'port: "8080"\napply'): ['scenario.yaml:6: port: want an integer, found the string "8080"'],
    ("title: HTTP", 'title: ""'): ["scenario.yaml:1: title: empty; write something"],
    ("title: HTTP", "tilte: HTTP"):
        ["scenario.yaml:1: title: missing; write it", 'scenario.yaml:1: unknown field "tilte" (did you mean "title"?)'],
    ("why: To test.", "why: To test.\nwhy: Again."): ['scenario.yaml:3: duplicate key "why", first on line 2; keep one'],
    ("why: To test.", "why: To test.\nquick: 1"): ["scenario.yaml:3: quick: want true or false, found the number 1"],
    ("[policies]", "[polices]"): ['scenario.yaml:7: apply[0]: no "polices" beside this file; check the path'],
    ("./pair.yaml", "./pear.yaml"): ['scenario.yaml:3: topology: no file "./pear.yaml" beside this one; check the path'],
    ("./pair.yaml", "piar"): ['scenario.yaml:3: topology: no topology "piar" in scenarios/topologies (did you mean "pair"?)'],
    ("verdict: rejected", "verdict: refused"):
        ['scenario.yaml:12: flows[1].verdict: want forwarded, denied, dropped or rejected, found the string "refused"'],
    ("family: 6, verdict", "family: 5, verdict"): ["scenario.yaml:12: flows[1].family: want 4 or 6, found the number 5"],
    ("{from: evil/stranger,", "{from: {ip: 'fd00::7'},"):
        ["scenario.yaml:12: flows[1].from: fd00::7 is no pod; a benchmark has pods only"],
    ("port: 5201", "port: 8080"):
        [f"scenario.yaml:13: flows[2]: shop/client -> shop/server:8080/TCP (IPv{family}) is listed already at "
         "DIR/scenario.yaml:11; remove one" for family in (4, 6)],
    ("rate: 1000,", ""):
        ["scenario.yaml:15: loads.latency-1000.rate: missing; a latency load "
         "needs requests a second or half-of-slowest-maximum"],
    ("rate: 1000,", "rate: half,"):
        ['scenario.yaml:15: loads.latency-1000.rate: '
         f'{RATE}, found the string "half"'],
    ("rate: 1000,", "rate: .nan,"):
        ["scenario.yaml:15: loads.latency-1000.rate: "
         f"{RATE}, found the number nan"],
    ("{kind: maximum,", "{kind: maximum, rate: 10,"):
        ["scenario.yaml:18: loads.top.rate: a maximum load goes as fast as it can; remove the rate"],
    ("{kind: maximum,", "{kind: bulk,"):
        ["scenario.yaml:16: loads.half.rate: "
         "half-of-slowest-maximum needs a load of kind maximum in this scenario; add one"],
    ("seconds: 2}", "seconds: 0}"): ["scenario.yaml:15: loads.latency-1000.seconds: want more than 0, found the number 0"],
    ("seconds: 2}", "seconds: 2, conections: 4}"):
        ['scenario.yaml:15: loads.latency-1000: unknown field "conections" (did you mean "connections"?)'],
    ("{kind: maximum,", "{kind: maximum, mix: [{percent: 5}],"):
        ["scenario.yaml:18: loads.top.mix: a maximum load's tool has one form of request; write kind: closed, or remove it"],
    ("{kind: maximum,", "{kind: bulk, headers: {A: b},"):
        ["scenario.yaml:18: loads.top.headers: a bulk load has no requests; remove it"],
    ("seconds: 2}", "seconds: 2, mix: [{percent: 60}, {percent: 41}]}"):
        ["scenario.yaml:15: loads.latency-1000.mix: the parts are more than 100 per cent together; write less"],
    ("seconds: 2}", "seconds: 2, mix: [{percent: 0}]}"):
        ["scenario.yaml:15: loads.latency-1000.mix[0].percent: want more than 0, found the number 0"],
    ("seconds: 2}", "seconds: 2, headers: {Host: shop}}"):
        ["scenario.yaml:15: loads.latency-1000.headers.Host: not a header here; write it as host, beside headers"],
    ("seconds: 2}", f"seconds: 2, headers: {{A: {'x' * 2000}}}}}"):
        ["scenario.yaml:15: loads.latency-1000.headers: want at most 2000 characters"],
    ("  top: {", "  To_p: {"):
        ["scenario.yaml:18: loads.To_p: want a DNS label (a-z, 0-9, '-' inside; at most 63 characters), found \"To_p\""],
}  # fmt: skip


@pytest.mark.parametrize(("change", "messages"), REPLACED.items(), ids=[f"{new[:40]}" for _, new in REPLACED])
def test_a_scenario_that_does_not_fit_is_refused(folder: Path, change: tuple[str, str], messages: list[str]) -> None:
    assert SCENARIO.count(change[0]) >= 1
    found = refusal(folder, SCENARIO.replace(*change, 1))
    assert sorted(found) == sorted(message.replace("DIR", str(folder)) for message in messages)


def test_mixed_requests_reach_the_model_and_keep_the_loads_path_where_they_write_none(folder: Path) -> None:
    mixed = "  mixed: {kind: closed, seconds: 1, path: /64k, headers: {A: b}, mix: [{percent: 2.5, headers: {C: [d, e]}}]}\n"
    (load_of,) = [each for each in load(folder, SCENARIO + mixed).loads if each.name == "mixed"]
    assert load_of == LoadPoint(
        "mixed", LoadKind.CLOSED, 1, 0.3, path="/64k", headers=(("A", "b"),),
        mix=(MixPart(2.5, "/64k", (("C", "d"), ("C", "e"))),),
    )  # fmt: skip


SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: server}, ports: [{name: http, port: 80, targetPort: 8080}, {name: udp, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: shop}
spec: {clusterIP: None, selector: {app: server}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec: {parentRefs: [{group: "", kind: Service, name: web}]}
"""


def with_service(folder: Path, service: str, manifests: str = SERVICE) -> str:
    policy = POLICY.partition("---")[0]
    (folder / "policies" / "p.yaml").write_text(policy + manifests)
    return SCENARIO.replace("apply:", f"service: {service}\napply:")


def test_a_service_reaches_the_model_with_its_routes(folder: Path) -> None:
    scenario = load(folder, with_service(folder, "{name: shop/web, port: 80, backends: [shop/server, evil/stranger]}"))
    assert scenario.front == Front("shop/web", 80, ("shop/server", "evil/stranger"))
    assert [each.ref for each in scenario.routing.services] == ["shop/web", "shop/headless"]
    assert [each.name for each in scenario.routing.http_routes] == ["web"]
    assert scenario.not_judged == {}


@pytest.mark.parametrize(
    ("service", "message"),
    [
        ("{name: shop/wbe, port: 80, backends: [shop/server]}",
         'service.name: no Service "shop/wbe" in what is applied (did you mean "shop/web"?)'),
        ("{name: shop/headless, port: 80, backends: [shop/server]}",
         "service.name: shop/headless has no address that can be asked; name another"),
        ("{name: shop/web, port: 53, backends: [shop/server]}",
         "service.port: shop/web has no TCP port 53; write one of its ports"),
        ("{name: shop/web, port: 80, backends: [shop/server, shop/servre]}",
         'service.backends[1]: no pod "shop/servre" (did you mean "shop/server"?)'),
        ("{name: shop/web, port: 80, backends: [evil/stranger]}",
         "service.backends: without shop/server, which is asked where there are no Services; add it, or name another server"),
        ("{name: shop/web, port: 80, backends: []}", "service.backends: empty; write at least one"),
    ],
)  # fmt: skip
def test_a_service_that_does_not_fit_is_refused(folder: Path, service: str, message: str) -> None:
    assert refusal(folder, with_service(folder, service)) == [f"scenario.yaml:7: {message}"]


def test_routes_are_refused_where_no_service_is_asked(folder: Path) -> None:
    with_service(folder, "")
    (said,) = refusal(folder, SCENARIO)
    assert said.startswith("policies/p.yaml:")
    assert said.endswith('HTTPRoute "shop/web" is in force only where requests to Services or Gateways are asked; drop it')


def test_a_route_of_a_namespace_that_is_not_there_is_refused(folder: Path) -> None:
    route = "namespace: shpo".join(SERVICE.rsplit("namespace: shop", 1))
    text = with_service(folder, "{name: shop/web, port: 80, backends: [shop/server]}", route)
    (said,) = refusal(folder, text)
    assert 'metadata.namespace: no namespace "shpo" in topology pair' in said


def test_a_policy_of_a_namespace_that_is_not_there_is_refused_at_the_policy(folder: Path) -> None:
    (folder / "policies" / "p.yaml").write_text(POLICY.replace("namespace: shop", "namespace: shpo"))
    assert refusal(folder, SCENARIO) == [
        'policies/p.yaml:2: metadata.namespace: no namespace "shpo" in topology pair (did you mean "shop"?); '
        "a policy acts in its own namespace"
    ]


def test_the_faults_of_topology_policies_and_scenario_come_together(folder: Path) -> None:
    (folder / "pair.yaml").write_text("nodes: 3\n")
    (folder / "policies" / "p.yaml").write_text("kind: Pod\n")
    second = folder / "second.yaml"
    second.write_text("title: 1\n")
    (folder / "scenario.yaml").write_text(SCENARIO)
    with pytest.raises(ManifestError) as refused:
        load_bench([folder / "scenario.yaml", second])
    assert {Path(fault.origin.file).name for fault in refused.value.faults} == {"pair.yaml", "p.yaml", "second.yaml"}


def test_two_scenarios_of_one_name_are_refused(folder: Path) -> None:
    (folder / "other").mkdir()
    for file in (folder / "scenario.yaml", folder / "other" / "scenario.yaml"):
        file.write_text(SCENARIO.replace("./pair.yaml", str(folder / "pair.yaml")).replace("[policies]", "[]"))
    with pytest.raises(ManifestError, match=r"other/scenario\.yaml:1: a scenario of this file name is .*; rename one"):
        load_bench([folder / "scenario.yaml", folder / "other"])


def test_the_name_of_a_campaigns_own_effects_is_refused(folder: Path) -> None:
    file = folder / "known-effects.yaml"
    file.write_text(SCENARIO)
    with pytest.raises(ManifestError) as refused:
        load_bench([file])
    assert str(refused.value) == f"{file}:1: a campaign's own effects have this file name; rename it"


def test_a_folder_without_scenarios_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as refused:
        load_bench([tmp_path, tmp_path / "none.yaml"])
    assert str(refused.value).splitlines() == [
        f"{tmp_path}:1: no scenario (*.yaml) in this folder; name another",
        f"{tmp_path}/none.yaml:1: no such file; check the path",
    ]
