"""What the nftables plane leaves behind."""

from harness.dataplanes import find
from harness.lab.port import Lab


def test_no_table_outlives_the_attachment(pair_lab: Lab) -> None:
    with find("nftables").attach(pair_lab):
        assert all("table inet meshproof" in node.run(["nft", "list", "tables"]).stdout for node in pair_lab.nodes)
    assert [node.run(["nft", "list", "tables"]).stdout for node in pair_lab.nodes] == ["", ""]
