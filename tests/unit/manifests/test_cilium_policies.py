"""Cilium's policies are read as written, and what is not judged is refused by its field's name."""

from pathlib import Path

import pytest

from harness.manifests.errors import ManifestError
from harness.manifests.objects import Loaded, load_policies
from harness.model.cilium import (
    CIDRSet,
    CiliumPolicy,
    CiliumPort,
    CiliumRule,
    CiliumSpec,
    EnableDefaultDeny,
    HeaderMatch,
    HTTPRule,
    ICMPField,
    KafkaRule,
    L7Rules,
    PortRule,
)
from harness.model.origin import Origin
from harness.model.policy import LabelSelector, NetworkPolicy, Requirement

HEAD = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\n"
SPEC = HEAD + "spec:\n  endpointSelector: {}\n"


def load(folder: Path, text: str) -> Loaded:
    (folder / "p.yaml").write_text(text)
    return load_policies([folder / "p.yaml"])


def refusal(folder: Path, text: str) -> list[str]:
    with pytest.raises(ManifestError) as refused:
        load(folder, text)
    return [str(fault).removeprefix(f"{folder / 'p.yaml'}:") for fault in refused.value.faults]


def test_every_field_reaches_the_model_with_its_line(tmp_path: Path) -> None:
    (policy,) = load(
        tmp_path,
        """\
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  description: all of it
  labels: [{key: a, value: b, source: k8s}]
  endpointSelector:
    matchLabels: {"k8s:app": web, io.kubernetes.pod.namespace: shop}
    matchExpressions: [{key: "any:tier", operator: In, values: [a, b]}]
  enableDefaultDeny: {ingress: false, egress: true}
  ingress:
    - fromEndpoints:
        - matchLabels: {k8s:io.cilium.k8s.namespace.labels.example.com/team: web}
        - {}
      toPorts:
        - ports:
            - {port: "0", protocol: ANY}
            - {port: "80", endPort: 90, protocol: TCP}
            - {port: http}
    - fromCIDR: [10.0.0.0/8, 192.0.2.1, "fd00::1"]
      icmps:
        - fields:
            - {type: 8}
            - {type: PacketTooBig, family: IPv6}
            - {type: "3", family: IPv4}
    - {}
    - fromEntities: []
  egress:
    - toCIDRSet:
        - cidr: fd00::/8
          except: ["fd00::/64"]
      toPorts:
        - ports: [{port: "80", protocol: TCP}]
          rules:
            http:
              - {method: GET, path: /x.*, host: shop, headers: [X-A], headerMatches: [{name: B, value: c, mismatch: ADD}]}
              - {}
        - ports: [{port: "9092", protocol: TCP}]
          rules: {kafka: [{role: produce, topic: t, clientID: c}, {apiKey: fetch, apiVersion: "1"}]}
  ingressDeny: [{fromEntities: [world, all]}]
  egressDeny: [{toEndpoints: []}]
specs:
  - endpointSelector: {}
""",
    ).policies

    def at(line: int) -> Origin:
        return Origin(str(tmp_path / "p.yaml"), line)

    http = (HTTPRule(at(36), "GET", "/x.*", "shop", ("X-A",), (HeaderMatch("B", "c", "ADD"),)), HTTPRule(at(37)))
    kafka = (
        KafkaRule(at(39), role="produce", client_id="c", topic="t"),
        KafkaRule(at(39), api_key="fetch", api_version="1"),
    )
    assert policy == CiliumPolicy(
        at(2),
        "web",
        "shop",
        (
            CiliumSpec(
                at(4),
                LabelSelector(
                    {"k8s:app": "web", "io.kubernetes.pod.namespace": "shop"}, (Requirement("any:tier", "In", ("a", "b")),)
                ),
                ingress=(
                    CiliumRule(
                        at(12),
                        endpoints=(
                            LabelSelector({"k8s:io.cilium.k8s.namespace.labels.example.com/team": "web"}),
                            LabelSelector(),
                        ),
                        ports=(
                            PortRule(
                                at(16),
                                (
                                    CiliumPort(at(17), "0", None, "ANY"),
                                    CiliumPort(at(18), "80", 90, "TCP"),
                                    CiliumPort(at(19), "http"),
                                ),
                            ),
                        ),
                    ),
                    CiliumRule(
                        at(20),
                        cidrs=("10.0.0.0/8", "192.0.2.1", "fd00::1"),
                        icmps=(
                            (ICMPField(at(23), 8), ICMPField(at(24), "PacketTooBig", "IPv6"), ICMPField(at(25), 3, "IPv4")),
                        ),
                    ),
                    CiliumRule(at(26)),
                    CiliumRule(at(27), entities=()),
                ),
                egress=(
                    CiliumRule(
                        at(29),
                        cidr_sets=(CIDRSet(at(30), "fd00::/8", ("fd00::/64",)),),
                        ports=(
                            PortRule(at(33), (CiliumPort(at(33), "80", None, "TCP"),), L7Rules(at(34), http=http)),
                            PortRule(at(38), (CiliumPort(at(38), "9092", None, "TCP"),), L7Rules(at(39), kafka=kafka)),
                        ),
                    ),
                ),
                ingress_deny=(CiliumRule(at(40), entities=("world", "all")),),
                egress_deny=(CiliumRule(at(41), endpoints=()),),
                enable_default_deny=EnableDefaultDeny(ingress=False, egress=True),
            ),
            CiliumSpec(at(43), LabelSelector()),
        ),
    )


def test_policies_without_a_namespace_are_in_default_or_of_the_whole_cluster(tmp_path: Path) -> None:
    clusterwide = SPEC.replace("CiliumN", "CiliumClusterwideN")
    policies = load(tmp_path, SPEC + "---\n" + clusterwide).policies
    assert [policy.namespace for policy in policies] == ["default", None]


def test_lists_of_every_kind_hold_policies_of_that_kind(tmp_path: Path) -> None:
    item = '{"metadata": {"name": "p"}, "spec": {"endpointSelector": {}}}'
    text = "---\n".join(
        f'{{"apiVersion": "cilium.io/v2", "kind": "{kind}List", "items": [{item}]}}\n'
        for kind in ("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy")
    )
    kubernetes = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: {}\n"
    policies = load(tmp_path, text + kubernetes).policies
    assert [(type(policy), policy.namespace) for policy in policies] == [
        (CiliumPolicy, "default"), (CiliumPolicy, None), (NetworkPolicy, "default")
    ]  # fmt: skip


def test_a_policy_written_twice_is_refused_by_its_kind(tmp_path: Path) -> None:
    clusterwide = SPEC.replace("CiliumN", "CiliumClusterwideN")
    assert refusal(tmp_path, SPEC + "---\n" + SPEC + "---\n" + clusterwide + "---\n" + clusterwide) == [
        f'{line}: {kind} "{name}" is written already at {tmp_path / "p.yaml"}:{first}; rename or remove one'
        for line, kind, name, first in (
            (8, "CiliumNetworkPolicy", "default/p", 2),
            (20, "CiliumClusterwideNetworkPolicy", "p", 14),
        )
    ]


ON_8080 = "egress: [{toPorts: [{ports: [{port: '8080', protocol: TCP}], rules: {%s: [%%s]}}]}]"
HTTP, KAFKA = ON_8080 % "http", ON_8080 % "kafka"
NO_NAME = "want a name of letters, digits and !#$%&'*+-.^_`|~, at most 256 characters"
HTTP_AT, KAFKA_AT = "egress[0].toPorts[0].rules.http[0]", "egress[0].toPorts[0].rules.kafka[0]"
RULES = {
    HTTP % "{path: 'a('}": f'{HTTP_AT}.path: no regular expression of RE2 (missing ): a(), found "a("',
    HTTP % "{method: '*'}": f"{HTTP_AT}.method: no regular expression of RE2 (no argument for repetition operator: *)"
        ', found "*"',
    HTTP % "{host: '(?=a)'}": f"{HTTP_AT}.host: no regular expression of RE2 (invalid perl operator: (?=), found \"(?=a)\"",
    HTTP % "{headers: ['X:a']}": f"{HTTP_AT}.headers[0]: {NO_NAME}, found \"X:a\"",
    HTTP % "{headers: ['X: ']}": f'{HTTP_AT}.headers[0]: want Name: VALUE, or a name alone, found "X: "',
    HTTP % "{headerMatches: [{name: ''}]}": f'{HTTP_AT}.headerMatches[0].name: {NO_NAME}, found ""',
    KAFKA % "{apiKey: prodce}": f'{KAFKA_AT}.apiKey: no API of Kafka is called "prodce" (did you mean "produce"?)',
    KAFKA % "{apiVersion: one}": f'{KAFKA_AT}.apiVersion: want a version (0 to 32767), found "one"',
    KAFKA % "{topic: a/b}":
        f"""{KAFKA_AT}.topic: want a topic of at most 255 letters, digits, '.', '_' and '-', found "a/b\"""",
    "ingress: [{fromRequires: [{}]}]": "ingress[0].fromRequires: not supported: Cilium has deprecated it; use a deny rule",
    "egress: [{toRequires: [{}]}]": "egress[0].toRequires: not supported: Cilium has deprecated it; use a deny rule",
    "ingress: [{fromNodes: [{}]}]": "ingress[0].fromNodes: not supported: nodes cannot be selected; remove it",
    "egressDeny: [{toNodes: [{}]}]": "egressDeny[0].toNodes: not supported: nodes cannot be selected; remove it",
    "ingress: [{fromGroups: []}]":
        "ingress[0].fromGroups: not supported: groups of cloud providers are not known here; use a CIDR",
    "egress: [{toGroups: []}]":
        "egress[0].toGroups: not supported: groups of cloud providers are not known here; use a CIDR",
    "egress: [{toFQDNs: [{matchName: a}]}]": "egress[0].toFQDNs: not supported: names are not resolved; use toCIDR",
    "egress: [{toServices: []}]": "egress[0].toServices: not supported: Services are not resolved; use toEndpoints",
    "ingress: [{authentication: {mode: required}}]":
        "ingress[0].authentication: not supported: mutual authentication of Cilium's is not judged; remove it",
    "nodeSelector: {}": "nodeSelector: not supported: policies of nodes are not judged; use endpointSelector",
    "log: {value: x}": "log: not supported: flow logs are not written; remove it",
    "ingress: [{toPorts: [{serverNames: [a]}]}]":
        "ingress[0].toPorts[0].serverNames: not supported: TLS server names are not read; remove it",
    "ingress: [{toPorts: [{listener: {}}]}]":
        "ingress[0].toPorts[0].listener: not supported: listeners of CiliumEnvoyConfig are not read; remove it",
    "ingress: [{toPorts: [{terminatingTLS: {}}]}]":
        "ingress[0].toPorts[0].terminatingTLS: not supported: TLS is not opened; remove it",
    "ingress: [{toPorts: [{originatingTLS: {}}]}]":
        "ingress[0].toPorts[0].originatingTLS: not supported: TLS is not opened; remove it",
    'egress: [{toPorts: [{ports: [{port: "53"}], rules: {dns: []}}]}]':
        "egress[0].toPorts[0].rules.dns: not supported: no data plane here reads DNS; remove it",
    "ingress: [{fromCIDRSet: [{cidr: 10.0.0.0/8, cidrGroupRef: a}]}]":
        "ingress[0].fromCIDRSet[0].cidrGroupRef: not supported: CiliumCIDRGroup is not read; write the cidr",
    "ingress: [{toEndpoints: []}]": 'ingress[0]: unknown field "toEndpoints" (did you mean "fromEndpoints"?)',
    "ingress: [{fromEndpoints: [], fromEntities: [all]}]":
        "ingress[0].fromEntities: combining fromEndpoints and fromEntities is not supported by Cilium; write two rules",
    "egress: [{toCIDR: [10.0.0.0/8], toCIDRSet: [{cidr: 10.0.0.0/8}]}]":
        "egress[0].toCIDRSet: combining toCIDR and toCIDRSet is not supported by Cilium; write two rules",
    "ingress: [{toPorts: [{}], icmps: [{fields: [{type: 8}]}]}]":
        "ingress[0].icmps: combining toPorts and icmps is not supported by Cilium; write two rules",
    "ingress: [{fromEntities: [init]}]":
        'ingress[0].fromEntities[0]: entity "init" is not supported; '
        "supported are all, world, world-ipv4, world-ipv6, cluster, host, remote-node, none",
    "ingress: [{fromEntities: [wrld]}]":
        'ingress[0].fromEntities[0]: entity "wrld" is not supported (did you mean "world"?)',
    "ingress: [{fromCIDR: [10.0.0.1/8]}]":
        'ingress[0].fromCIDR[0]: host bits are set in "10.0.0.1/8"; write 10.0.0.0/8',
    'ingress: [{fromCIDR: ["fe80::1%eth0"]}]':
        'ingress[0].fromCIDR[0]: a zone in "fe80::1%eth0"; write the address without it',
    'ingress: [{fromCIDR: ["::ffff:10.0.0.1"]}]':
        'ingress[0].fromCIDR[0]: IPv4 written as IPv6 in "::ffff:10.0.0.1"; write it as IPv4',
    "ingress: [{fromCIDR: [10.0.0.0/08]}]":
        'ingress[0].fromCIDR[0]: want a CIDR such as 10.0.0.0/8 or fd00::/8, found "10.0.0.0/08"',
    "ingress: [{fromCIDRSet: [{cidr: 10.0.0.1}]}]":
        'ingress[0].fromCIDRSet[0].cidr: want a CIDR such as 10.0.0.0/8 or fd00::/8, found "10.0.0.1"',
    'egress: [{toCIDRSet: [{cidr: 10.0.0.0/8, except: ["fd00::/64"]}]}]':
        "egress[0].toCIDRSet[0].except[0]: fd00::/64 is not inside 10.0.0.0/8; remove it or widen the cidr",
    "ingressDeny: [{toPorts: [{rules: {}}]}]":
        "ingressDeny[0].toPorts[0].rules: a deny rule takes no L7 rules; remove them",
    "ingress: [{toPorts: [{ports: [{port: 80}]}]}]":
        "ingress[0].toPorts[0].ports[0].port: want a string, found the number 80; quote it",
    'ingress: [{toPorts: [{ports: [{port: "080"}]}]}]':
        'ingress[0].toPorts[0].ports[0].port: want a port from 0 (any) to 65535 or a container port\'s name, found "080"',
    'ingress: [{toPorts: [{ports: [{port: "80", protocol: SCTP}]}]}]':
        "ingress[0].toPorts[0].ports[0].protocol: "
        "SCTP is not supported: no data plane here carries it; use TCP, UDP or ANY",
    'ingress: [{toPorts: [{ports: [{port: "80", protocol: ICMP}]}]}]':
        "ingress[0].toPorts[0].ports[0].protocol: ICMP has no ports; write icmps",
    'ingress: [{toPorts: [{ports: [{port: "80", endPort: 79}]}]}]':
        "ingress[0].toPorts[0].ports[0].endPort: 79 is below port 80; write the last port of the range",
    'ingress: [{toPorts: [{ports: [{port: "0", endPort: 79}]}]}]':
        "ingress[0].toPorts[0].ports[0].endPort: needs a numeric port above 0 beside it; "
        "write the first port of the range as port",
    "ingress: [{toPorts: [{ports: [{port: http, endPort: 79}]}]}]":
        "ingress[0].toPorts[0].ports[0].endPort: needs a numeric port above 0 beside it; "
        "write the first port of the range as port",
    "ingress: [{toPorts: [{ports: [{endPort: 79}]}]}]": "ingress[0].toPorts[0].ports[0].port: missing; write it",
    "ingress: [{toPorts: [{rules: {http: [{}]}}]}]":
        "ingress[0].toPorts[0].rules: L7 rules need ports beside them; write ports",
    'ingress: [{toPorts: [{ports: [{port: "0"}], rules: {http: [{}]}}]}]':
        "ingress[0].toPorts[0].ports[0].port: L7 rules cannot be used with port 0; write the port",
    'ingress: [{toPorts: [{ports: [{port: "80"}], rules: {http: [{}]}}]}]':
        "ingress[0].toPorts[0].ports[0].protocol: L7 rules apply to TCP only; write TCP",
    'ingress: [{toPorts: [{ports: [{port: "80", protocol: ANY}], rules: {http: [{}]}}]}]':
        "ingress[0].toPorts[0].ports[0].protocol: L7 rules apply to TCP only; write TCP",
    'ingress: [{toPorts: [{ports: [{port: "53", protocol: UDP}], rules: {kafka: [{}]}}]}]':
        "ingress[0].toPorts[0].ports[0].protocol: L7 rules apply to TCP only; write TCP",
    'ingress: [{toPorts: [{ports: [{port: "80"}], rules: {http: [{}], kafka: [{}]}}]}]':
        "ingress[0].toPorts[0].rules.kafka: "
        "http and kafka in one entry is not supported by Cilium; write two entries of toPorts",
    "ingress: [{icmps: [{fields: [{type: 256}]}]}]":
        "ingress[0].icmps[0].fields[0].type: "
        "want an ICMP type (0 to 255, or a name such as EchoRequest), found the number 256",
    "ingress: [{icmps: [{fields: [{type: EchoRequst}]}]}]":
        'ingress[0].icmps[0].fields[0].type: no name "EchoRequst" for IPv4, the family where none is written '
        '(did you mean "EchoRequest"?); write one that is, or the type\'s number',
    "ingress: [{icmps: [{fields: [{type: Timestamp, family: IPv6}]}]}]":
        'ingress[0].icmps[0].fields[0].type: no name "Timestamp" for IPv6 '
        '(known here: DestinationUnreachable, EchoReply, EchoRequest, PacketTooBig, ParameterProblem, TimeExceeded); '
        "write one that is, or the type's number",
    "ingress: [{fromEndpoints: [{matchLabels: {reserved:host: x}}]}]":
        'ingress[0].fromEndpoints[0].matchLabels["reserved:host"]: "reserved:host": '
        "labels of source reserved are not supported; use fromEntities or toEntities",
    "ingress: [{fromEndpoints: [{matchLabels: {cidr:a: x}}]}]":
        'ingress[0].fromEndpoints[0].matchLabels["cidr:a"]: "cidr:a": '
        'labels of source "cidr" are not supported; use k8s:, any: or no source',
    "ingress: [{fromEndpoints: [{matchExpressions: [{key: io.cilium.k8s.policy.cluster, operator: Exists}]}]}]":
        'ingress[0].fromEndpoints[0].matchExpressions[0].key: "io.cilium.k8s.policy.cluster" is not supported; '
        "select by labels of pods, io.kubernetes.pod.namespace or io.cilium.k8s.namespace.labels.LABEL",
    "enableDefaultDeny: {ingress: 1}": "enableDefaultDeny.ingress: want true or false, found the number 1",
}  # fmt: skip


@pytest.mark.parametrize(("rule", "message"), RULES.items(), ids=RULES)
def test_what_cilium_or_this_project_does_not_take_is_refused_by_name(tmp_path: Path, rule: str, message: str) -> None:
    assert refusal(tmp_path, f"{SPEC}  {rule}\n") == [f"6: spec.{message}"]


POLICIES = {
    HEAD: "1: neither spec nor specs; write spec",
    HEAD + "specs: []\n": "1: neither spec nor specs; write spec",
    HEAD + "spec: {}\n": "4: spec.endpointSelector: missing; write it",
    HEAD + "spec: {endpointSelector: null}\n": "4: spec.endpointSelector: want a mapping, found nothing",
    SPEC.replace("CiliumN", "CiliumClusterwideN").replace("{name: p}", "{name: p, namespace: a}"):
        "3: metadata.namespace: a CiliumClusterwideNetworkPolicy is in no namespace; remove it or write a CiliumNetworkPolicy",
    HEAD + 'spec: {endpointSelector: {matchLabels: {"k8s:io.kubernetes.pod.namespace": shop}}}\n':
        '4: spec.endpointSelector.matchLabels["k8s:io.kubernetes.pod.namespace"]: "shop", '
        'but the policy selects pods of its own namespace "default" only; remove it',
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), POLICIES.items(), ids=POLICIES.values())
def test_a_policy_that_is_incomplete_or_misplaced_is_refused(tmp_path: Path, text: str, message: str) -> None:
    assert refusal(tmp_path, text) == [message]
