"""How cost grows: scenarios of pods, policy entries, requests and ports, measured and fitted."""
