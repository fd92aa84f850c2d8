"""One Envoy beside every pod, set up as Istio sets up its sidecars: in plaintext, and with mutual TLS."""

from collections.abc import Iterator
from contextlib import contextmanager

from harness.dataplanes.port import Attachment, DataPlaneError, Feature, No, Support, Yes
from harness.dataplanes.sidecars import SidecarAttachment
from harness.envoy.errors import EnvoyError
from harness.envoy.tuning import BEST, Tuning, parse
from harness.lab.port import Lab, LabError
from harness.model.flow import Verdict


class SidecarPlane:
    """Envoy sidecars, with or without mutual TLS between them."""

    def __init__(self, name: str, title: str, *, encrypted: bool, tuning: Tuning = BEST) -> None:
        self.name = name
        self.title = title
        self._encrypted = encrypted
        self._tuning = tuning

    def tuned(self, settings: str) -> "SidecarPlane":
        name, title = f"{self.name}@{settings}", f"{self.title} ({settings})"
        tuning = parse(settings)
        if tuning.flows:
            raise ValueError("flows are what ebpf-l7 has; this plane has an access_log")
        return SidecarPlane(name, title, encrypted=self._encrypted, tuning=tuning)

    def supports(self, feature: Feature) -> Support:
        rejected = Yes(denies=Verdict.REJECTED)
        redirect = "REDIRECT captures TCP only: other protocols pass the sidecar by"
        answers: dict[Feature, Support] = {
            Feature.POLICY_TCP: rejected,
            Feature.POLICY_UDP: No(redirect),
            Feature.POLICY_ICMP: No(redirect),
            Feature.POLICY_CIDR: rejected,
            Feature.POLICY_CILIUM: rejected,
            Feature.POLICY_DENY: rejected,
            Feature.POLICY_HTTP: rejected,
            Feature.POLICY_KAFKA: No("Envoy has no filter that judges requests of Kafka"),
            Feature.IPV6: Yes(),
            Feature.REVOKE_OPEN_CONNECTIONS: rejected,
            Feature.ENCRYPTION: Yes() if self._encrypted else No("this is the plaintext variant; sidecar-mtls encrypts"),
            Feature.L7_HTTP: Yes(),
            Feature.L7_ROUTING: rejected,
            Feature.L7_GATEWAYS: No("sidecars are beside pods, and hosts outside have none"),
            Feature.L7_TRAFFIC: No("sidecars are not told of BackendTrafficPolicies"),
            Feature.HOT_RESTART: Yes(),
            Feature.SAME_NODE_FAST_PATH: No("both sidecars are passed on one node too"),
        }
        return answers[feature]

    @contextmanager
    def attach(self, lab: Lab) -> Iterator[Attachment]:
        try:
            attachment = SidecarAttachment(self.name, lab, self._tuning, encrypted=self._encrypted)
        except (EnvoyError, OSError) as error:
            raise DataPlaneError(f"{self.name}: {error}") from None
        try:
            attachment.start()
        except (EnvoyError, LabError, OSError, ValueError) as error:
            attachment.stop()
            raise DataPlaneError(f"{self.name}: {error}") from None
        except BaseException:
            attachment.stop()
            raise
        try:
            yield attachment
        finally:
            attachment.stop()
            attachment.forget()


DATA_PLANES = (
    SidecarPlane("sidecar", "Envoy sidecars", encrypted=False),
    SidecarPlane("sidecar-mtls", "Envoy sidecars with mutual TLS", encrypted=True),
)
