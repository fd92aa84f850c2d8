"""meshproof: evidence on whether an eBPF mesh can replace the sidecar mesh."""

__version__ = "0.1.0"
