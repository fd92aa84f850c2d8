"""NetworkPolicy: answers known from https://kubernetes.io/docs/concepts/services-networking/network-policies/"""

from pathlib import Path

import pytest
from documented import ask, head

from harness.model.flow import Verdict

NP = head("NetworkPolicy")
EXAMPLE = (
    NP
    + """\
spec:
  podSelector: {matchLabels: {role: db}}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        - ipBlock: {cidr: 172.17.0.0/16, except: [172.17.1.0/24]}
        - namespaceSelector: {matchLabels: {project: myproject}}
        - podSelector: {matchLabels: {role: frontend}}
      ports: [{protocol: TCP, port: 6379}]
  egress:
    - to: [{ipBlock: {cidr: 10.0.0.0/24}}]
      ports: [{protocol: TCP, port: 5978}]
"""
)
PREFER = """\
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress:
    - from: [{podSelector: {}}]
"""


@pytest.mark.parametrize(
    ("question", "allowed", "egress", "ingress"),
    [
        ("172.17.9.9 > default/db 6379", True, None, 8),
        ("172.17.1.9 > default/db 6379", False, None, 2),
        ("172.17.9.9 > default/db 6380", False, None, 2),
        ("172.17.9.9 > default/db UDP/6379", False, None, 2),
        ("172.17.9.9 > default/db ICMP/8", False, None, 2),
        ("default/frontend > default/db 6379", True, None, 8),
        ("default/backend > default/db 6379", True, None, 8),  # its address lies in the block
        ("6 default/backend > default/db 6379", False, None, 2),  # over IPv6 it does not
        ("6 mine/any > default/db 6379", True, None, 8),
        ("6 bare/any > default/db 6379", False, None, 2),
        ("default/db > 10.0.0.9 5978", True, 14, None),
        ("default/db > 10.0.0.9 5979", False, 2, None),
        ("default/db > 10.0.1.9 5978", False, 2, None),
        ("default/db > default/frontend 8080", False, 2, None),
        ("default/db > default/db 1", True, None, None),
        ("mine/any > bare/any 1", True, None, None),
    ],
)
def test_the_example_of_the_documentation(
    tmp_path: Path, question: str, allowed: bool, egress: int | None, ingress: int | None
) -> None:
    given = ask(tmp_path, EXAMPLE, question)
    assert (given.verdict is Verdict.FORWARDED) is allowed
    assert [rule and rule.line for rule in (given.egress.rule, given.ingress.rule)] == [egress, ingress]


@pytest.mark.parametrize(
    ("spec", "question", "allowed"),
    [
        # Default policies of the documentation.
        ("{podSelector: {}, policyTypes: [Ingress]}", "mine/any > default/db 1", False),
        ("{podSelector: {}, policyTypes: [Ingress]}", "default/db > mine/any 1", True),
        ("{podSelector: {}, policyTypes: [Ingress], ingress: [{}]}", "192.0.2.1 > default/db ICMP/8", True),
        ("{podSelector: {}, policyTypes: [Egress]}", "default/db > mine/any 1", False),
        ("{podSelector: {}, policyTypes: [Egress]}", "mine/any > default/db 1", True),
        ("{podSelector: {}, policyTypes: [Egress], egress: [{}]}", "default/db > 2001:db8::1 UDP/1", True),
        # Defaults of policyTypes: Ingress always, Egress only with egress rules.
        ("{podSelector: {}}", "mine/any > default/db 1", False),
        ("{podSelector: {}, egress: []}", "default/db > mine/any 1", True),
        ("{podSelector: {}, egress: [{ports: [{port: 1}]}]}", "default/db > mine/any 2", False),
        ("{podSelector: {}, policyTypes: [Egress], ingress: [{ports: [{port: 1}]}]}", "mine/any > default/db 2", True),
        # Two selectors in one entry are both needed; in two entries either will do.
        ("{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {project: myproject}},"
         " podSelector: {matchLabels: {role: frontend}}}]}]}", "mine/any > default/db 1", False),
        ("{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {project: myproject}}},"
         " {podSelector: {matchLabels: {role: frontend}}}]}]}", "mine/any > default/db 1", True),
        ("{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}", "bare/any > default/db 1", True),
        ("{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}", "192.0.2.1 > default/db 1", False),
        ("{podSelector: {}, ingress: [{from: [{namespaceSelector:"
         " {matchLabels: {kubernetes.io/metadata.name: bare}}}]}]}", "bare/any > default/db 1", True),
        # NotIn also matches what has no such label.
        ("{podSelector: {matchExpressions: [{key: env, operator: NotIn, values: [prod]}]}}", "mine/any > default/db 1", False),
        ("{podSelector: {matchExpressions: [{key: env, operator: NotIn, values: [prod]}]}}",
         "mine/any > default/backend 1", True),
        ("{podSelector: {matchExpressions: [{key: env, operator: Exists}]}}", "mine/any > default/backend 1", False),
        ("{podSelector: {matchExpressions: [{key: env, operator: DoesNotExist}]}}", "mine/any > default/backend 1", True),
        # Ports: ranges with both ends, names as the destination declares them with their protocol.
        ("{podSelector: {}, ingress: [{ports: [{port: 32000, endPort: 32768}]}]}", "mine/any > default/db 32768", True),
        ("{podSelector: {}, ingress: [{ports: [{port: 32000, endPort: 32768}]}]}", "mine/any > default/db 32769", False),
        ("{podSelector: {}, ingress: [{ports: [{port: 32000, endPort: 32768}]}]}", "mine/any > default/db 31999", False),
        ("{podSelector: {}, ingress: [{ports: [{port: redis}]}]}", "mine/any > default/db 6379", True),
        ("{podSelector: {}, ingress: [{ports: [{port: dns}]}]}", "mine/any > default/db UDP/53", False),
        ("{podSelector: {}, ingress: [{ports: [{port: dns, protocol: UDP}]}]}", "mine/any > default/db UDP/53", True),
        ("{podSelector: {}, egress: [{ports: [{port: http}]}]}", "default/db > mine/any 9090", True),
        ("{podSelector: {}, egress: [{ports: [{port: http}]}]}", "default/db > mine/any 8080", False),
        ("{podSelector: {}, egress: [{ports: [{port: http}]}]}", "default/db > 192.0.2.1 9090", False),
        ("{podSelector: {}, ingress: [{ports: [{protocol: UDP}]}]}", "mine/any > default/db UDP/7", True),
        ("{podSelector: {}, ingress: [{ports: [{protocol: UDP}]}]}", "mine/any > default/db 7", False),
        # An address that a pod has is that pod.
        ("{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}", "172.17.0.2 > default/db 1", True),
    ],
)  # fmt: skip
def test_known_answers(tmp_path: Path, spec: str, question: str, allowed: bool) -> None:
    assert (ask(tmp_path, f"{NP}spec: {spec}\n", question).verdict is Verdict.FORWARDED) is allowed


def test_policies_add_up_and_the_first_rule_that_allows_is_named(tmp_path: Path) -> None:
    closed, opened = f"{NP}spec: {{podSelector: {{}}}}\n", f"{NP.replace('name: p', 'name: q')}spec:\n{PREFER}"
    given = ask(
        tmp_path, f"{closed}---\n{opened}---\n{opened.replace('name: q', 'name: r')}", "default/frontend > default/db 1"
    )
    assert given.egress.rule is not None
    assert (given.egress.verdict, given.egress.rule.line) == (Verdict.DROPPED, 7)
    assert given.ingress.rule is not None
    assert (given.ingress.verdict, given.ingress.rule.line) == (Verdict.FORWARDED, 13)
