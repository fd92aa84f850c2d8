"""Envoy's configuration and processes, shared by every data plane that runs it.

Configuration is built as plain dicts in the JSON form of Envoy's v3 protocol buffers, split by meaning;
what is written here is pure except ``process`` (runs Envoy), ``admin`` (talks to it) and ``delivery`` (hands it files).
"""
