"""A ring that is full loses flow events, and says how many; requests do not notice."""

import os
import signal

from fast_clients import PORT, counted
from flow_records import brief, flowing, marked
from http_ends import ask
from strict_backend import strict_backend

from harness.lab.port import Lab, LabPod
from harness.mesh.l7flowlayout import RECORD_BYTES

AGENT = "l7-agent"
RING = 4096
ROOM = RING // RECORD_BYTES


def test_what_meets_a_full_ring_is_counted_and_nothing_else_changes(pair_lab: Lab, client: LabPod) -> None:
    server = pair_lab.pod("shop/neighbour")
    with strict_backend(server, PORT), flowing(pair_lab, f"flows=true,flow_ring_bytes={RING}") as plane:
        told, connection = marked(plane, client, server)
        before = plane.path_counts()
        agents = [pid for part in plane.components() if part.name == AGENT for pid in part.pids]
        for pid in agents:
            os.kill(pid, signal.SIGSTOP)
        try:
            bodies = [ask(connection, f"/public/{number}").body.decode() for number in range(4 * ROOM)]
            denied = ask(connection, "/private").status
        finally:
            for pid in agents:
                os.kill(pid, signal.SIGCONT)
        assert bodies == [f"/public/{number} " for number in range(4 * ROOM)]
        assert denied == 403
        found = counted(plane, before)
        assert (found["fast"], found["flows_lost"]) == (4 * ROOM, 3 * ROOM + 1), "the last one's reason, too"
        records = [*told.until("/private"), *told.until_lost()]
        shown = [brief(each) for each in records if "flow" in each]
        assert [each[1] for each in shown] == [f"/public/{number}" for number in range(ROOM)]
        (lost,) = [each["lost_events"]["num_events_lost"] for each in records if "lost_events" in each]
        assert lost == 3 * ROOM + 1
        connection.close()
