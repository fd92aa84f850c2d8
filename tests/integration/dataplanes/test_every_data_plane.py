"""The contract of the port, asked of every data plane that is registered."""

import os
from collections.abc import Iterator

import pytest
from records import recorded

from harness.dataplanes import registered
from harness.dataplanes.port import Attachment, DataPlane, DataPlaneError, Feature, No, RestartKind, Tunable, Unknown, Yes
from harness.lab.port import Lab, LabPod
from harness.model.flow import Flow, Verdict
from harness.model.origin import Origin
from harness.model.policy import LabelSelector, NetworkPolicy, Peer, Rule
from harness.traffic import nginx
from harness.traffic.probe import probe

PORT = 8080
HERE = Origin("policy.yaml", 2)
FROM_CLIENT = Rule(HERE, (Peer(HERE, pod_selector=LabelSelector({"app": "client"})),))
POLICY = NetworkPolicy(HERE, "p", "shop", LabelSelector({"app": "server"}), ingress=(FROM_CLIENT,))


@pytest.fixture(scope="module")
def server(pair_lab: Lab) -> Iterator[LabPod]:
    pod = pair_lab.pod("shop/server")
    with nginx.serve(pod, PORT, pair_lab.folder):
        yield pod


@pytest.fixture(scope="module", params=list(registered()))
def data_plane(request: pytest.FixtureRequest) -> DataPlane:
    return registered()[request.param]


@pytest.fixture(scope="module")
def attachment(data_plane: DataPlane, pair_lab: Lab, server: LabPod) -> Iterator[Attachment]:
    before = left(pair_lab)
    with data_plane.attach(pair_lab) as attached:
        yield attached
    assert left(pair_lab) == before, "leaving leaves nothing"


def left(lab: Lab) -> list[str]:
    commands = ("nft list ruleset", "ip rule", "ip -6 rule", "tc qdisc show", "ss -Hltn")
    places = [*lab.nodes, *lab.pods]
    return [place.run(["sh", "-c", command]).stdout for place in places for command in commands] + sorted(
        str(path) for path in lab.bpffs.rglob("*")
    )


def asked(lab: Lab, source: str, family: int) -> Verdict:
    flow = Flow(source, "shop/server", PORT, family=family)
    return probe(flow, lab.pod(source), lab.pod("shop/server")).verdict


def test_every_feature_has_an_answer_and_a_claim_to_deny_its_manner(data_plane: DataPlane) -> None:
    for feature in Feature:
        answer = data_plane.supports(feature)
        assert isinstance(answer, (Yes, No, Unknown))
        assert not isinstance(answer, No) or answer.reason
        if isinstance(answer, Yes) and feature in (Feature.POLICY_TCP, Feature.REVOKE_OPEN_CONNECTIONS):
            assert answer.denies in (Verdict.DROPPED, Verdict.REJECTED)


@pytest.mark.parametrize("family", [4, 6])
def test_what_it_claims_to_deny_it_denies_in_that_manner_with_a_record_and_the_rest_gets_through(
    data_plane: DataPlane, attachment: Attachment, pair_lab: Lab, family: int
) -> None:
    first = attachment.apply(())
    assert asked(pair_lab, "evil/stranger", family) is Verdict.FORWARDED
    second = attachment.apply([POLICY])
    assert second.number > first.number
    assert asked(pair_lab, "shop/client", family) is Verdict.FORWARDED
    assert attachment.evidence(Flow("shop/client", "shop/server", PORT, family=family)) is None
    claim = data_plane.supports(Feature.POLICY_TCP)
    denied = claim.denies if isinstance(claim, Yes) else Verdict.FORWARDED
    assert asked(pair_lab, "evil/stranger", family) is denied
    if isinstance(claim, Yes):
        assert recorded(attachment, Flow("evil/stranger", "shop/server", PORT, family=family)) is not None
    attachment.apply(())
    assert asked(pair_lab, "evil/stranger", family) is Verdict.FORWARDED


def test_components_are_named_once_a_place_and_their_processes_run(attachment: Attachment) -> None:
    components = attachment.components()
    assert len({(part.name, repr(part.place)) for part in components}) == len(components)
    for part in components:
        assert not (part.pids and part.place is None)
        for pid in part.pids:
            os.kill(pid, 0)


def test_what_it_has_not_it_does_not_restart(attachment: Attachment) -> None:
    with pytest.raises(DataPlaneError, match="nonesuch"):
        attachment.restart("nonesuch", RestartKind.HOT)


def test_settings_that_mean_nothing_are_refused(data_plane: DataPlane) -> None:
    if isinstance(data_plane, Tunable):
        with pytest.raises(ValueError, match="'nonsense' is no setting; there are "):
            data_plane.tuned("nonsense")
