"""Policies as nftables rules: a reading of its own, that shares nothing with the other data planes or the oracles."""
