"""CiliumNetworkPolicy: answers known from https://docs.cilium.io/en/stable/security/policy/language/"""

from pathlib import Path

import pytest
from documented import ask, head

from harness.model.flow import Verdict

CNP, CCNP = head("CiliumNetworkPolicy"), head("CiliumClusterwideNetworkPolicy", None)
ALL = "endpointSelector: {}"
TO_DB = "mine/any > default/db 80"


@pytest.mark.parametrize(
    ("spec", "question", "allowed"),
    [
        # Isolation: by having a rule of any kind, or by enableDefaultDeny.
        (f"{{{ALL}, ingress: [{{}}]}}", TO_DB, False),
        (f"{{{ALL}, ingress: [{{}}]}}", "default/db > mine/any 1", True),
        (f"{{{ALL}, ingress: []}}", TO_DB, True),
        (f"{{{ALL}, egress: [{{}}]}}", "default/db > mine/any 1", False),
        (f"{{{ALL}, ingressDeny: [{{fromEntities: [none]}}]}}", TO_DB, False),
        (f"{{{ALL}, enableDefaultDeny: {{ingress: false}}, ingress: [{{}}]}}", TO_DB, True),
        (f"{{{ALL}, enableDefaultDeny: {{ingress: true}}, egress: [{{toEntities: [all]}}]}}", TO_DB, False),
        (f"{{{ALL}, enableDefaultDeny: {{ingress: false}}, ingressDeny: [{{fromEntities: [cluster]}}]}}", TO_DB, False),
        ("{endpointSelector: {}, enableDefaultDeny: {ingress: false}, ingressDeny: [{fromEntities: [cluster]}]}",
         "192.0.2.1 > default/db 1", True),
        # Endpoints: a namespaced policy means its own namespace unless the selector speaks of namespaces.
        (f"{{{ALL}, ingress: [{{fromEndpoints: [{{}}]}}]}}", "default/frontend > default/db 1", True),
        (f"{{{ALL}, ingress: [{{fromEndpoints: [{{}}]}}]}}", TO_DB, False),
        (f"{{{ALL}, ingress: [{{fromEndpoints: []}}]}}", "default/frontend > default/db 1", False),
        ("{endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {k8s:role: frontend}}]}]}",
         "default/frontend > default/db 1", True),
        ("{endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {any:role: frontend}}]}]}",
         "bare/any > default/db 1", False),
        (f"{{{ALL}, ingress: [{{fromEndpoints: [{{matchLabels: {{k8s:io.kubernetes.pod.namespace: mine}}}}]}}]}}", TO_DB, True),
        ("{endpointSelector: {}, ingress: [{fromEndpoints: [{matchExpressions:"
         " [{key: io.kubernetes.pod.namespace, operator: Exists}]}]}]}",
         TO_DB, True),
        ("{endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels:"
         " {k8s:io.cilium.k8s.namespace.labels.project: myproject}}]}]}",
         TO_DB, True),
        ("{endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels:"
         " {k8s:io.cilium.k8s.namespace.labels.project: myproject}}]}]}",
         "bare/any > default/db 1", False),
        # CIDRs are for what is outside: pods never match, though their address lies inside.
        (f"{{{ALL}, ingress: [{{fromCIDR: [0.0.0.0/0]}}]}}", "192.0.2.1 > default/db 1", True),
        (f"{{{ALL}, ingress: [{{fromCIDR: [0.0.0.0/0]}}]}}", "default/frontend > default/db 1", False),
        (f"{{{ALL}, ingress: [{{fromCIDR: [0.0.0.0/0]}}]}}", "2001:db8::1 > default/db 1", False),
        (f"{{{ALL}, ingress: [{{fromCIDR: [192.0.2.1]}}]}}", "192.0.2.1 > default/db 1", True),
        (f"{{{ALL}, ingress: [{{fromCIDR: [192.0.2.1]}}]}}", "192.0.2.2 > default/db 1", False),
        ("{endpointSelector: {}, egress: [{toCIDRSet: [{cidr: 10.0.0.0/8, except: [10.96.0.0/12]}]}]}",
         "default/db > 10.1.1.1 1", True),
        ("{endpointSelector: {}, egress: [{toCIDRSet: [{cidr: 10.0.0.0/8, except: [10.96.0.0/12]}]}]}",
         "default/db > 10.100.1.1 1", False),
        # Entities.
        (f"{{{ALL}, ingress: [{{fromEntities: [cluster]}}]}}", TO_DB, True),
        (f"{{{ALL}, ingress: [{{fromEntities: [cluster]}}]}}", "192.0.2.1 > default/db 1", False),
        (f"{{{ALL}, ingress: [{{fromEntities: [world]}}]}}", TO_DB, False),
        (f"{{{ALL}, ingress: [{{fromEntities: [world]}}]}}", "2001:db8::1 > default/db 1", True),
        (f"{{{ALL}, ingress: [{{fromEntities: [world-ipv4]}}]}}", "2001:db8::1 > default/db 1", False),
        (f"{{{ALL}, ingress: [{{fromEntities: [all]}}]}}", "192.0.2.1 > default/db 1", True),
        (f"{{{ALL}, ingress: [{{fromEntities: [host, remote-node]}}]}}", TO_DB, False),
        (f"{{{ALL}, ingress: [{{fromEntities: [none]}}]}}", TO_DB, False),
        # Ports.
        (f"{{{ALL}, ingress: [{{toPorts: [{{ports: [{{port: '80'}}]}}]}}]}}", "192.0.2.1 > default/db UDP/80", True),
        ("{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]}",
         "192.0.2.1 > default/db UDP/80", False),
        (f"{{{ALL}, ingress: [{{toPorts: [{{ports: [{{port: '80', endPort: 90}}]}}]}}]}}", "mine/any > default/db 90", True),
        (f"{{{ALL}, ingress: [{{toPorts: [{{ports: [{{port: '80', endPort: 90}}]}}]}}]}}", "mine/any > default/db 91", False),
        ("{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: '0', protocol: UDP}]}]}]}",
         "mine/any > default/db UDP/9", True),
        (f"{{{ALL}, ingress: [{{toPorts: [{{ports: [{{port: '0', protocol: UDP}}]}}]}}]}}", "mine/any > default/db 9", False),
        (f"{{{ALL}, ingress: [{{toPorts: [{{ports: [{{port: dns}}]}}]}}]}}", "mine/any > default/db UDP/53", True),
        (f"{{{ALL}, egress: [{{toPorts: [{{ports: [{{port: http, protocol: TCP}}]}}]}}]}}", "default/db > mine/any 9090", True),
        ("{endpointSelector: {}, egress: [{toPorts: [{ports: [{port: http, protocol: TCP}]}]}]}",
         "default/db > default/frontend 9090", False),
        (f"{{{ALL}, ingress: [{{fromEntities: [all], toPorts: []}}]}}", "mine/any > default/db ICMP/8", True),
        (f"{{{ALL}, ingress: [{{toPorts: [{{ports: [{{port: '80'}}]}}]}}]}}", "mine/any > default/db ICMP/8", False),
        # ICMP: IPv4 unless said otherwise, any code.
        (f"{{{ALL}, ingress: [{{icmps: [{{fields: [{{type: 8}}]}}]}}]}}", "mine/any > default/db ICMP/8", True),
        (f"{{{ALL}, ingress: [{{icmps: [{{fields: [{{type: 8}}]}}]}}]}}", "mine/any > default/db ICMP/0", False),
        (f"{{{ALL}, ingress: [{{icmps: [{{fields: [{{type: 8}}]}}]}}]}}", "6 mine/any > default/db ICMP/8", False),
        ("{endpointSelector: {}, ingress: [{icmps: [{fields: [{type: EchoRequest, family: IPv6}]}]}]}",
         "6 mine/any > default/db ICMP/128", True),
        (f"{{{ALL}, ingress: [{{icmps: [{{fields: [{{type: EchoRequest}}]}}]}}]}}", "mine/any > default/db 80", False),
        # Deny wins over every allow, however specific, in its direction only.
        ("{endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels:"
         " {role: frontend}}]}], ingressDeny: [{fromEntities: [all]}]}",
         "default/frontend > default/db 1", False),
        ("{endpointSelector: {}, ingress: [{fromEntities: [all]}], ingressDeny: [{toPorts: [{ports: [{port: '80'}]}]}]}",
         "mine/any > default/db 81", True),
        (f"{{{ALL}, ingress: [{{fromEntities: [all]}}], ingressDeny: [{{}}]}}", TO_DB, True),
        ("{endpointSelector: {}, egress: [{toEntities: [all]}], egressDeny: [{toCIDR: [192.0.2.0/24]}]}",
         "default/db > 192.0.2.1 1", False),
        ("{endpointSelector: {}, egress: [{toEntities: [all]}], egressDeny: [{toCIDR: [192.0.2.0/24]}]}",
         "192.0.2.1 > default/db 1", True),
        # A namespaced policy selects nobody elsewhere.
        ("{endpointSelector: {matchLabels: {role: db}}, ingress: [{}]}",
         "default/db > mine/any 1", True),
    ],
)  # fmt: skip
def test_known_answers(tmp_path: Path, spec: str, question: str, allowed: bool) -> None:
    assert (ask(tmp_path, f"{CNP}spec: {spec}\n", question).verdict is Verdict.FORWARDED) is allowed


@pytest.mark.parametrize(
    ("spec", "question", "allowed"),
    [
        (f"{{{ALL}, ingress: [{{}}]}}", "default/db > bare/any 1", False),
        ("{endpointSelector: {matchLabels: {k8s:io.kubernetes.pod.namespace: bare}}, ingress: [{}]}",
         "default/db > bare/any 1", False),
        ("{endpointSelector: {matchLabels: {k8s:io.kubernetes.pod.namespace: bare}}, ingress: [{}]}", TO_DB, True),
        (f"{{{ALL}, ingress: [{{fromEndpoints: [{{}}]}}]}}", TO_DB, True),
        (f"{{{ALL}, ingress: [{{fromEndpoints: [{{}}]}}]}}", "192.0.2.1 > default/db 1", False),
        (f"{{{ALL}, ingress: [{{fromEndpoints: [{{matchLabels: {{role: frontend}}}}]}}]}}", "bare/any > default/db 1", True),
    ],
)  # fmt: skip
def test_a_clusterwide_policy_is_bound_to_no_namespace(tmp_path: Path, spec: str, question: str, allowed: bool) -> None:
    assert (ask(tmp_path, f"{CCNP}spec: {spec}\n", question).verdict is Verdict.FORWARDED) is allowed


@pytest.mark.parametrize("first", [True, False])
def test_a_deny_rule_wins_over_a_networkpolicy_in_either_order(tmp_path: Path, first: bool) -> None:
    deny = f"{CCNP}spec: {{{ALL}, ingressDeny: [{{fromEntities: [cluster]}}]}}\n"
    allow = f"{head('NetworkPolicy')}spec: {{podSelector: {{}}, ingress: [{{}}]}}\n"
    given = ask(tmp_path, "---\n".join([deny, allow] if first else [allow, deny]), TO_DB)
    assert (given.ingress.verdict, given.ingress.reason) == (Verdict.DROPPED, "denied by rule")
    assert given.ingress.rule is not None
    assert given.ingress.rule.line == (4 if first else 9)


def test_networkpolicies_and_cilium_policies_add_up(tmp_path: Path) -> None:
    closed = f"{head('NetworkPolicy')}spec: {{podSelector: {{}}}}\n"
    allow = f"{CNP}spec: {{{ALL}, enableDefaultDeny: {{ingress: false}}, ingress: [{{fromEntities: [cluster]}}]}}\n"
    given = ask(tmp_path, f"{closed}---\n{allow}", TO_DB)
    assert (given.ingress.verdict, given.ingress.reason) == (Verdict.FORWARDED, "allowed by rule")


def test_each_of_specs_stands_for_itself(tmp_path: Path) -> None:
    db, frontend = (f"{{matchLabels: {{role: {role}}}}}" for role in ("db", "frontend"))
    specs = f"specs: [{{endpointSelector: {db}, ingress: [{{}}]}}, {{endpointSelector: {frontend}, egress: [{{}}]}}]\n"
    assert ask(tmp_path, CNP + specs, TO_DB).verdict is Verdict.DROPPED
    assert ask(tmp_path, CNP + specs, "default/frontend > mine/any 1").verdict is Verdict.DROPPED
    assert ask(tmp_path, CNP + specs, "default/backend > default/frontend 1").verdict is Verdict.FORWARDED
