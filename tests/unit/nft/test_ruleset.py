"""The text that nft is given."""

import re

from rules_world import HERE, TOPOLOGY, compiled, policy, rule, spec

from harness.model.cilium import CiliumPort, ICMPField, PortRule
from harness.model.origin import Origin
from harness.nft.addresses import EVERYBODY
from harness.nft.gates import Gate, Gates, Match, Way
from harness.nft.ruleset import Port, Reason, Ruleset, render

PORTS = [Port(pod, f"p{number}-{pod.name}") for number, pod in enumerate(TOPOLOGY.pods)]
WEB = rule(entities=("cluster",), ports=(PortRule(HERE, (CiliumPort(HERE, "80", 90, "TCP"),)),))


def chain(rules: Ruleset, name: str) -> list[str]:
    """The lines of a chain."""
    body = re.search(rf"chain {name} {{\n(.*?)  }}", rules.text, re.DOTALL)
    assert body is not None, rules.text
    return [line.strip() for line in body[1].splitlines()]


def elements(rules: Ruleset, name: str) -> list[str]:
    found = re.search(rf"set {name} {{.*elements = {{ (.*?) }}", rules.text)
    return found[1].split(", ") if found else []


def test_without_policies_only_senders_are_checked() -> None:
    rules = render(PORTS, {}, 7)
    assert elements(rules, "guarded") == []
    assert elements(rules, "own4") == ['"p0-web" . 10.0.0.1', '"p1-db" . 10.0.0.2', '"p2-web" . 10.0.0.3']
    assert "vmap" not in rules.text
    assert chain(rules, "forward")[-1] == "ct mark set 7"


def test_denials_come_first_then_allows_then_the_default() -> None:
    gates = compiled(policy(spec("db", ingress=(WEB,), ingress_deny=(rule(entities=("all",)),))))
    rules = render(PORTS, gates, 7)
    denied, alone, adjacent, alone6, adjacent6, default = chain(rules, "pod-ingress-1")
    deny = rules.reasons.index(Reason("policy_deny", Way.INGRESS, HERE)) + 1
    assert denied == f'meta mark set {deny} goto dropped comment "policy.yaml:9"'
    what = 'meta l4proto tcp ct original proto-dst 80-90 return comment "policy.yaml:9"'
    assert alone == f"ct original ip saddr @peers-1 {what}"
    assert adjacent == f"ct original ip saddr 10.0.0.1-10.0.0.3 {what}"
    assert alone6 == f"ct original ip6 saddr @peers-2 {what}"
    assert adjacent6 == f"ct original ip6 saddr fd00::1-fd00::3 {what}"
    isolated = rules.reasons.index(Reason("default_deny", Way.INGRESS, Origin("policy.yaml", 3))) + 1
    assert default == f'meta mark set {isolated} goto dropped comment "policy.yaml:3"'
    assert elements(rules, "peers-1") == ["10.9.0.1"]


def test_no_set_has_ranges_which_the_kernel_shows_late() -> None:
    ports = PortRule(HERE, (CiliumPort(HERE, "80", 90, "TCP"), CiliumPort(HERE, "443", None, "TCP")))
    rules = render(PORTS, compiled(policy(spec("db", ingress=(rule(entities=("cluster",), ports=(ports,)),)))), 7)
    assert "interval" not in rules.text
    assert not re.search(r"{[^{}]*\d-\d[^{}]*}", rules.text)
    assert len([line for line in chain(rules, "pod-ingress-1") if "{ 443 }" in line]) == 4  # single and adjacent ones


def test_a_hook_comes_after_that_of_the_table_before() -> None:
    before, after = (chain(render(PORTS, {}, 7, turn), "forward")[0] for turn in (4, 5))
    assert before.startswith("type filter hook forward priority 4;")
    assert after.startswith("type filter hook forward priority 5;")


def test_a_pod_that_is_not_isolated_has_no_default() -> None:
    gates: Gates = {("shop/db", Way.EGRESS): Gate(denies=[Match(HERE, EVERYBODY, "udp")])}
    assert chain(render(PORTS, gates, 7), "pod-egress-1") == [
        'meta l4proto udp meta mark set 5 goto dropped comment "policy.yaml:9"'
    ]


def test_replies_are_judged_in_their_connections_direction() -> None:
    gates = compiled(policy(spec("db", ingress=(rule(),), egress=(rule(),))))
    forward = chain(render(PORTS, gates, 7), "forward")
    for direction, interface, way in (
        ("original", "iifname", "egress"), ("original", "oifname", "ingress"),
        ("reply", "iifname", "ingress"), ("reply", "oifname", "egress"),
    ):  # fmt: skip
        found = [line for line in forward if line.startswith(f"ct direction {direction} {interface} ")]
        assert len(found) == 1
        assert re.fullmatch(rf'.* vmap {{ "p1-db" : jump pod-{way}-\d }}', found[0])


def test_errors_about_connections_of_others_are_dropped_before_those_of_known_ones_are_let_through() -> None:
    rules = render(PORTS, {}, 7)
    forward = chain(rules, "forward")
    drop = f"meta mark set {rules.reasons.index(Reason('foreign_icmp_error')) + 1} goto dropped"
    foreign = [number for number, line in enumerate(forward) if line.endswith(drop)]
    assert len(foreign) == 4, "of both families: about a connection of others, and about none that the node knows"
    assert all("iifname @pods" in forward[number] for number in foreign), "nodes report about every connection"
    assert max(foreign) < next(number for number, line in enumerate(forward) if line.endswith("ct mark 7 accept"))


def test_pods_with_the_same_rules_share_their_chain_and_sets() -> None:
    text = render(PORTS, compiled(policy(spec(ingress=(WEB,)), namespace=None)), 7).text
    assert text.count("chain pod-") == 1
    assert text.count("set peers-") == 2
    assert text.count("jump pod-ingress-1") == 2 * len(PORTS)


def test_icmp_is_limited_to_its_family_and_type() -> None:
    echo = rule(icmps=((ICMPField(HERE, 8),),))
    lines = chain(render(PORTS, compiled(policy(spec("db", ingress=(echo,)))), 7), "pod-ingress-1")
    assert lines[0].startswith("meta nfproto ipv4 meta l4proto icmp ct original proto-dst 2048-2303 return")


def test_a_long_path_keeps_its_end_in_a_comment() -> None:
    far = Origin("é" * 200 + '/quo"te.yaml', 12)
    text = render(PORTS, {("shop/db", Way.EGRESS): Gate(isolated_by=far)}, 7).text
    (comment,) = re.findall(r'comment "([^"]*)"', text)
    assert comment.endswith("/quo'te.yaml:12")
    assert len(comment.encode()) < 128
