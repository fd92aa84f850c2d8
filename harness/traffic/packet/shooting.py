"""Sends crafted packets into a lab, once each, and tells what of them arrived."""

import secrets
import selectors
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import count
from pathlib import Path

from harness.lab.port import Lab, LabError
from harness.model.flow import is_pod
from harness.model.packet import Arrived, CraftedPacket
from harness.traffic.packet.pulse import BEAT, Pulse
from harness.traffic.packet.recognition import arrived, piece
from harness.traffic.packet.shot import MARKER, Frames, Shot
from harness.traffic.packet.tap import Tap
from harness.traffic.port import LoadFailed

SILENCE = 0.3
"""Seconds without a frame at any interface, counted by each CPU's turns, after which nothing more comes."""

_PORTS = range(61_000, 65_536)  # above those that the kernel gives to clients (net.ipv4.ip_local_port_range)
_IPV4, _IPV6 = b"\x08\x00", b"\x86\xdd"

_numbers: Iterator[int] = count(secrets.randbelow(len(_PORTS)))
"""What tells a shot's flow from that of a former one, as connection tracking sees it."""


@dataclass(frozen=True, slots=True)
class Landing:
    """What became of a crafted packet. ``came``: in how many frames; ``captures`` are pcaps, if some were kept."""

    arrived: Arrived
    came: int
    captures: tuple[Path, ...] = ()


@dataclass(slots=True)
class _Aimed:
    packet: CraftedPacket
    shot: Shot
    frames: Frames

    def end(self, packet: bytes, *, source: bool) -> str:
        """The pod that an IP packet of the prelude comes from or goes to."""
        first, size = (12, 4) if self.shot.family == 4 else (8, 16)
        at = first if source else first + size
        address = ip_address(packet[at : at + size])
        pods = {ip_address(self.shot.client): self.packet.source, ip_address(self.shot.server): self.packet.destination}
        return pods.get(address) or self.packet.claims or self.packet.source


def shoot(
    packets: Sequence[CraftedPacket], lab: Lab, seconds: float = SILENCE, keep: Callable[[int, Arrived], bool] | None = None
) -> list[Landing]:
    """Send each packet once, in their order, and say what arrived at the servers' interfaces.

    Both ends are captured from before the first frame until all packets have arrived whole or nothing was heard for
    ``seconds``. Where ``keep`` asks for it, by a packet's number and what arrived of it, both captures are written into the
    lab's folder.
    Raises LoadFailed where a frame was not seen to leave its pod or a capture lost frames: then nothing is known.
    """
    if not packets:
        return []
    try:
        with ExitStack() as stack:
            refs = {
                ref for packet in packets for ref in (packet.source, packet.destination, packet.claims) if ref and is_pod(ref)
            }
            taps = {ref: stack.enter_context(Tap(lab.pod(ref))) for ref in sorted(refs)}
            gallery = _Gallery([_aimed(packet, lab) for packet in packets], taps, stack.enter_context(Pulse()), seconds)
            landings = gallery.fire(lab)
            return [gallery.kept(landing, number, lab, keep) for number, landing in enumerate(landings)]
    except KeyError as error:
        raise LoadFailed(f"crafted packets cannot be sent: {error.args[0]}") from error
    except (OSError, LabError) as error:
        raise LoadFailed(f"crafted packets cannot be sent or captured: {error}") from error


def _aimed(packet: CraftedPacket, lab: Lab) -> _Aimed:
    from harness.traffic.packet.registry import MAKERS  # noqa: PLC0415 -- scapy, not for --help

    client, server = lab.pod(packet.source), lab.pod(packet.destination)
    own = client.pod.ip(packet.family)
    claimed = packet.claims or packet.source
    shot = Shot(
        family=packet.family,
        client=own,
        server=server.pod.ip(packet.family),
        claimed=lab.pod(claimed).pod.ip(packet.family) if is_pod(claimed) else claimed,
        mac=client.mac,
        gateway=client.host_mac,
        port=packet.port,
        cover=packet.cover or 0,
        number=_PORTS[next(_numbers) % len(_PORTS)],
        marker=secrets.token_bytes(MARKER),
        hops=1 if client.pod.node == server.pod.node else 2,
    )
    return _Aimed(packet, shot, MAKERS[packet.craft](shot))


class _Gallery:
    def __init__(self, aimed: Sequence[_Aimed], taps: dict[str, Tap], pulse: Pulse, seconds: float) -> None:
        self._aimed = aimed
        self._taps = taps
        self._pulse = pulse
        self._seconds = seconds

    def fire(self, lab: Lab) -> list[Landing]:
        preludes = [each for each in self._aimed if each.frames.prelude]
        for each in preludes:
            for packet in each.frames.prelude:
                sender = each.end(packet, source=True)
                pod = lab.pod(sender)
                link = bytes.fromhex((pod.host_mac + pod.mac).replace(":", "")) + (_IPV4 if each.shot.family == 4 else _IPV6)
                self._taps[sender].send(link + packet)
        self._listen(lambda: all(self._greeted(each) for each in preludes))
        for each in self._aimed:
            for frame in each.frames.frames:
                self._taps[each.packet.source].send(frame)
        self._listen(lambda: all(self._landing(each).arrived is Arrived.WHOLE for each in self._aimed))
        return [self._checked(each) for each in self._aimed]

    def _listen(self, over: Callable[[], bool]) -> None:
        """Read all captures until ``over``, or until it was silent for long enough."""
        with selectors.DefaultSelector() as selector:
            for tap in self._taps.values():
                selector.register(tap, selectors.EVENT_READ)
            self._pulse.mark()
            while not over():
                passed = self._pulse.passed(self._seconds)
                ready = selector.select(0 if passed else BEAT)
                if any([tap.read() for tap in self._taps.values()] if ready else ()):
                    self._pulse.mark()
                elif passed:
                    return

    def _greeted(self, aimed: _Aimed) -> bool:
        receivers = {aimed.end(packet, source=False) for packet in aimed.frames.prelude}
        seen = [each for ref in receivers for each in self._taps[ref].frames]
        return any(aimed.shot.prelude in each.data and not each.leaving for each in seen)

    def _landing(self, aimed: _Aimed) -> Landing:
        came = [each.data for each in self._taps[aimed.packet.destination].frames if not each.leaving]
        return Landing(*arrived(aimed.shot, aimed.frames, came))

    def _checked(self, aimed: _Aimed) -> Landing:
        left = [each.data for each in self._taps[aimed.packet.source].frames if each.leaving]
        # A capture shares the packet's memory with the nodes: where one has put fragments together and cuts them anew, Linux
        # writes other headers into it (ip_fraglist_prepare in net/ipv4/ip_output.c) before it is read here.
        fragments = [frame for frame in aimed.frames.frames if piece(frame) is not None]
        others = [frame for frame in aimed.frames.frames if piece(frame) is None]
        if Counter(map(len, fragments)) - Counter(map(len, left)) or Counter(others) - Counter(left):
            raise LoadFailed(f"{aimed.packet}: not every frame was seen to leave the pod")
        return self._landing(aimed)

    def kept(self, landing: Landing, number: int, lab: Lab, keep: Callable[[int, Arrived], bool] | None) -> Landing:
        if keep is None or not keep(number, landing.arrived):
            return landing
        packet = self._aimed[number].packet
        folder = lab.folder / "packets"
        folder.mkdir(exist_ok=True)
        files = []
        for end, ref in (("client", packet.source), ("server", packet.destination)):
            file = folder / f"{self._aimed[number].shot.marker.hex()}-{packet.craft}-{end}.pcap"
            self._taps[ref].save(file)
            files.append(file)
        return Landing(landing.arrived, landing.came, tuple(files))
