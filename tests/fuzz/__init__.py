"""Mutated packets through the mesh's programs by test run, against the oracle over scapy's dissection of them."""
