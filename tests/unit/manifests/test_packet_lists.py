from pathlib import Path

import pytest

from harness.manifests.case import load_cases
from harness.manifests.errors import ManifestError
from harness.model.flow import Verdict
from harness.model.packet import PacketExpectation

TWIN = "{from: shop/client, to: shop/api, craft: tcp-syn, port: 8080, verdict: forwarded}"


def loaded(folder: Path, *packets: str) -> tuple[PacketExpectation, ...]:
    case = folder / "packets" / "case"
    case.mkdir(parents=True)
    lines = "".join(f"    - {packet}\n" for packet in packets)
    (case / "scenario.yaml").write_text(f"title: t\nwhy: w\ntopology: mesh\nexpect:\n  packets:\n{lines}")
    ((step,),) = [one.steps for one in load_cases([folder])]
    return step.packets


def test_a_packet_is_expected_over_every_family_of_its_craft(tmp_path: Path) -> None:
    found = loaded(tmp_path, TWIN, "{from: data/cache, to: shop/api, craft: ip-router-alert, port: 8080, verdict: dropped}")
    assert [(each.packet.craft, each.packet.family, each.verdict) for each in found] == [
        ("tcp-syn", 4, Verdict.FORWARDED),
        ("tcp-syn", 6, Verdict.FORWARDED),
        ("ip-router-alert", 4, Verdict.DROPPED),
    ]
    assert all(each.delivered for each in found)
    assert str(found[2].origin).endswith("scenario.yaml:7")


def test_an_address_that_is_claimed_implies_the_family_and_a_pods_stands_for_the_pod(tmp_path: Path) -> None:
    more = "{from: data/db, to: shop/api, craft: tcp-spoofed, port: 8080, claims: {ip: '%s'}, verdict: dropped, %s}"
    found = loaded(tmp_path, TWIN, more % ("2001:db8::7", "control: undelivered"), more % ("10.1.0.10", "family: 4"))
    assert [(each.packet.claims, each.packet.family, each.delivered) for each in found[2:]] == [
        ("2001:db8::7", 6, False),
        ("shop/client", 4, True),
    ]


@pytest.mark.parametrize(
    ("packet", "said"),
    [
        ("{from: shop/client, to: shop/api, craft: syn, port: 1, verdict: dropped}", "no craft"),
        ("{from: shop/client, to: shop/api, craft: tcp-synn, port: 1, verdict: dropped}", "tcp-syn"),
        ("{from: shop/client, to: shop/api, craft: tcp-ack, verdict: dropped}", "port: missing"),
        ("{from: shop/client, to: shop/api, craft: icmp-echo, port: 1, verdict: dropped}", "ICMP has no ports"),
        ("{from: shop/client, to: shop/api, craft: tcp-spoofed, port: 1, verdict: dropped}", "claims: missing"),
        ("{from: shop/client, to: shop/api, craft: tcp-ack, port: 1, cover: 2, verdict: dropped}", "cover: not for this craft"),
        ("{from: shop/client, to: shop/api, craft: hop-by-hop, port: 1, family: 4, verdict: dropped}", "of IPv6 only"),
        ("{from: shop/client, to: shop/api, craft: tcp-ack, port: 1, verdict: denied}", "verdict"),
        (
            "{from: shop/client, to: shop/api, craft: udp, port: 1, verdict: forwarded, control: undelivered}",
            "cannot be forwarded",
        ),
        ("{from: shop/clint, to: shop/api, craft: tcp-ack, port: 1, verdict: dropped}", 'did you mean "shop/client"'),
        ("{from: shop/client, to: shop/cart, craft: tcp-ack, port: 1, verdict: dropped}", "nothing shows that any could"),
        (TWIN, "is listed already"),
    ],
)
def test_faults_are_named(tmp_path: Path, packet: str, said: str) -> None:
    with pytest.raises(ManifestError) as refused:
        loaded(tmp_path, TWIN, packet)
    assert said in str(refused.value)
