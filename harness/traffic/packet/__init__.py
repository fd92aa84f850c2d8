"""Packets that sockets cannot send: crafted with scapy, sent into a pod's interface, captured at both ends.

A craft is a function from a Shot to frames. ``registry`` names them, as ``harness.model.crafts`` describes them.
"""
