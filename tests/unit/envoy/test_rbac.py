"""NetworkPolicies as Envoy's RBAC: judged by a small reader of RBAC's own semantics, so that shapes stay free."""

from ipaddress import ip_address, ip_network

import pytest

from harness.envoy.rbac import egress_filters, ingress_filters
from harness.envoy.selection import Selection
from harness.model.origin import Origin
from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, PolicyPort, Requirement, Rule
from harness.model.topology import ContainerPort, Namespace, Pod, Topology

AT = Origin("policy.yaml", 1)
HTTP = (ContainerPort("http", 8080), ContainerPort("dns", 53, "UDP"))


def pod(namespace, name, number, **labels):
    return Pod(name, namespace, "n1", labels={"app": name, **labels}, ports=HTTP, ips=(f"10.0.0.{number}", f"fd00::{number}"))


CLIENT = pod("shop", "client", 1, tier="front")
SERVER = pod("shop", "server", 2)
OTHER = Pod("other", "shop", "n1", {"app": "other"}, ports=(ContainerPort("http", 9090),), ips=("10.0.0.3", "fd00::3"))
STRANGER = pod("evil", "stranger", 4)
SELECTION = Selection(
    Topology("t", ("n1",), (Namespace("shop", {"team": "web"}), Namespace("evil")), (CLIENT, SERVER, OTHER, STRANGER))
)


def policy(app="server", **fields):
    return NetworkPolicy(AT, "p", "shop", LabelSelector({"app": app}), **fields)


def pods(**labels):
    return Peer(AT, pod_selector=LabelSelector(labels))


def matches(matcher, source, destination, port, identity):  # noqa: PLR0911 - one return a kind of matcher
    [(key, value)] = matcher.items()

    def inner(part):
        return matches(part, source, destination, port, identity)

    match key:
        case "any":
            return value
        case "and_rules":
            return all(inner(part) for part in value["rules"])
        case "and_ids":
            return all(inner(part) for part in value["ids"])
        case "or_rules":
            return any(inner(part) for part in value["rules"])
        case "not_id" | "not_rule":
            return not inner(value)
        case "direct_remote_ip" | "destination_ip":
            address = source if key == "direct_remote_ip" else destination
            return ip_address(address) in ip_network(f"{value['address_prefix']}/{value['prefix_len']}")
        case "destination_port":
            return port == value
        case "destination_port_range":
            return value["start"] <= port < value["end"]
        case "authenticated":
            return identity == value["principal_name"]["exact"]
    raise AssertionError(f"unknown matcher {key}")


def judged(filters, source, destination, port=8080, family=4, identity=None):
    """What Envoy's RBAC engine says: allowed without a filter, or if any policy matches."""
    ends = source if isinstance(source, str) else source.ip(family), destination.ip(family)
    for found in filters:
        rules = found["typed_config"]["rules"]
        assert rules["action"] == "ALLOW"
        if not any(
            any(matches(permission, *ends, port, identity) for permission in rule["permissions"])
            and any(matches(principal, *ends, port, identity) for principal in rule["principals"])
            for rule in rules["policies"].values()
        ):
            return False
    return True


def arrives(policies, source, port=8080, family=4, to=SERVER):
    return judged(ingress_filters(to, policies, SELECTION, by_certificate=False), source, to, port, family)


def leaves(policies, destination, port=8080, family=4, of=CLIENT):
    return judged(egress_filters(of, policies, SELECTION), of, destination, port, family)


def test_pod_that_no_policy_selects_has_no_filter():
    chosen = [policy("client", ingress=())]
    assert ingress_filters(SERVER, chosen, SELECTION, by_certificate=False) == []
    assert egress_filters(SERVER, chosen, SELECTION) == []


def test_policy_of_another_namespace_does_not_select():
    elsewhere = NetworkPolicy(AT, "p", "evil", LabelSelector(), ingress=())
    assert arrives([elsewhere], CLIENT)


@pytest.mark.parametrize("family", [4, 6])
def test_selected_pod_takes_only_what_a_rule_allows(family):
    rule = Rule(AT, peers=(pods(app="client"),), ports=(PolicyPort(AT, port=8080),))
    chosen = [policy(ingress=(rule,))]
    assert arrives(chosen, CLIENT, family=family)
    assert not arrives(chosen, OTHER, family=family)
    assert not arrives(chosen, STRANGER, family=family)
    assert not arrives(chosen, CLIENT, port=8081, family=family)


def test_policies_add_up():
    first = policy(ingress=(Rule(AT, peers=(pods(app="client"),)),))
    second = NetworkPolicy(AT, "q", "shop", LabelSelector(), ingress=(Rule(AT, peers=(pods(app="other"),)),))
    assert arrives([first, second], CLIENT)
    assert arrives([first, second], OTHER)
    assert not arrives([first, second], STRANGER)


def test_rules_of_one_policy_that_were_written_on_one_line_are_both_kept():
    rules = (Rule(AT, peers=(pods(app="client"),)), Rule(AT, peers=(pods(app="other"),)))
    assert arrives([policy(ingress=rules)], CLIENT)
    assert arrives([policy(ingress=rules)], OTHER)


@pytest.mark.parametrize("peers", [None, ()])
def test_rule_without_peers_takes_every_source(peers):
    assert arrives([policy(ingress=(Rule(AT, peers=peers),))], "192.0.2.9")


@pytest.mark.parametrize("ingress", [None, ()])
def test_isolated_without_rules_takes_nothing(ingress):
    assert not arrives([policy(ingress=ingress)], CLIENT)


def test_without_policy_types_egress_is_isolated_only_by_egress_rules():
    assert leaves([policy("client", ingress=())], SERVER)
    assert leaves([policy("client", egress=())], SERVER)
    assert not leaves([policy("client", egress=(Rule(AT, peers=(pods(app="other"),)),))], SERVER)


def test_policy_types_name_the_isolated_directions():
    only_egress = policy("client", policy_types=("Egress",), ingress=(), egress=())
    assert not leaves([only_egress], SERVER)
    assert arrives([only_egress], SERVER, to=CLIENT)


def test_pod_selector_without_namespace_selector_means_the_policys_namespace():
    chosen = [policy(ingress=(Rule(AT, peers=(Peer(AT, pod_selector=LabelSelector()),)),))]
    assert arrives(chosen, CLIENT)
    assert not arrives(chosen, STRANGER)


def test_namespace_selector_alone_means_all_pods_of_those_namespaces():
    by_label = Peer(AT, namespace_selector=LabelSelector({"team": "web"}))
    by_name = Peer(AT, namespace_selector=LabelSelector({"kubernetes.io/metadata.name": "evil"}))
    assert arrives([policy(ingress=(Rule(AT, peers=(by_label,)),))], CLIENT)
    assert not arrives([policy(ingress=(Rule(AT, peers=(by_label,)),))], STRANGER)
    assert arrives([policy(ingress=(Rule(AT, peers=(by_name,)),))], STRANGER)


def test_both_selectors_in_one_peer_must_both_hold():
    both = Peer(AT, pod_selector=LabelSelector({"app": "stranger"}), namespace_selector=LabelSelector({"team": "web"}))
    assert not arrives([policy(ingress=(Rule(AT, peers=(both,)),))], STRANGER)


@pytest.mark.parametrize(
    ("operator", "values", "taken"),
    [
        ("In", ("front", "back"), [CLIENT]),
        ("NotIn", ("front",), [SERVER, OTHER]),
        ("Exists", (), [CLIENT]),
        ("DoesNotExist", (), [SERVER, OTHER]),
    ],
)
def test_match_expressions(operator, values, taken):
    selector = LabelSelector(match_expressions=(Requirement("tier", operator, values),))
    peers = SELECTION.peers(Peer(AT, pod_selector=selector), "shop")
    assert list(peers) == taken


def test_ip_block_takes_its_addresses_but_the_excepted():
    block = Peer(AT, ip_block=IPBlock("10.0.0.0/24", ("10.0.0.4/32",)))
    chosen = [policy(ingress=(Rule(AT, peers=(block,)),))]
    assert arrives(chosen, CLIENT)
    assert not arrives(chosen, STRANGER)
    assert not arrives(chosen, CLIENT, family=6)
    assert not arrives(chosen, "10.0.1.1")


def test_egress_ip_block_takes_destinations_but_the_excepted():
    block = Peer(AT, ip_block=IPBlock("fd00::/64", ("fd00::4/128",)))
    chosen = [policy("client", egress=(Rule(AT, peers=(block,)),))]
    assert leaves(chosen, SERVER, family=6)
    assert not leaves(chosen, STRANGER, family=6)
    assert not leaves(chosen, SERVER, family=4)


@pytest.mark.parametrize(("port", "allowed"), [(7999, False), (8000, True), (8100, True), (8101, False)])
def test_end_port_is_in_the_range(port, allowed):
    ranged = Rule(AT, ports=(PolicyPort(AT, port=8000, end_port=8100),))
    assert arrives([policy(ingress=(ranged,))], CLIENT, port=port) is allowed
    assert leaves([policy("client", egress=(ranged,))], SERVER, port=port) is allowed


@pytest.mark.parametrize("protocol", ["UDP", "SCTP"])
def test_rule_for_another_protocol_allows_no_tcp(protocol):
    rule = Rule(AT, ports=(PolicyPort(AT, protocol=protocol, port=8080),))
    assert not arrives([policy(ingress=(rule,))], CLIENT)
    assert not leaves([policy("client", egress=(rule,))], SERVER)


def test_port_without_a_number_takes_every_port_of_the_protocol():
    assert arrives([policy(ingress=(Rule(AT, ports=(PolicyPort(AT, protocol="TCP"),)),))], CLIENT, port=1)


def test_named_port_is_the_selected_pods_own_on_ingress():
    named = Rule(AT, ports=(PolicyPort(AT, port="http"),))
    anybody = NetworkPolicy(AT, "p", "shop", LabelSelector(), ingress=(named,))
    assert arrives([anybody], CLIENT, port=8080, to=SERVER)
    assert not arrives([anybody], CLIENT, port=9090, to=SERVER)
    assert arrives([anybody], CLIENT, port=9090, to=OTHER)


@pytest.mark.parametrize(
    "peers", [None, (Peer(AT, pod_selector=LabelSelector()),), (Peer(AT, ip_block=IPBlock("10.0.0.0/24")),)]
)
def test_named_port_is_each_destinations_own_on_egress(peers):
    chosen = [policy("client", egress=(Rule(AT, peers=peers, ports=(PolicyPort(AT, port="http"),)),))]
    assert leaves(chosen, SERVER, port=8080)
    assert not leaves(chosen, SERVER, port=9090)
    assert leaves(chosen, OTHER, port=9090)
    assert not leaves(chosen, OTHER, port=8080)


def test_named_port_of_another_protocol_is_not_found():
    assert not arrives([policy(ingress=(Rule(AT, ports=(PolicyPort(AT, port="dns"),)),))], CLIENT, port=53)


def test_certificates_tell_pods_apart_where_there_are_any():
    rule = Rule(AT, peers=(pods(app="client"),))
    filters = ingress_filters(SERVER, [policy(ingress=(rule,))], SELECTION, by_certificate=True)
    mine, theirs = ("spiffe://cluster.local/ns/shop/sa/client", "spiffe://cluster.local/ns/evil/sa/client")
    assert judged(filters, CLIENT, SERVER, identity=mine)
    assert not judged(filters, CLIENT, SERVER, identity=theirs)
    assert not judged(filters, CLIENT, SERVER, identity=None)


def test_rule_is_named_by_where_it_was_written():
    rule = Rule(Origin("policy.yaml", 12), peers=(pods(app="client"),))
    [found] = ingress_filters(SERVER, [policy(ingress=(rule,))], SELECTION, by_certificate=False)
    assert list(found["typed_config"]["rules"]["policies"]) == ["shop/p ingress[0] policy.yaml:12"]
