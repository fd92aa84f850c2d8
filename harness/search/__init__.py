"""Searches for policies, flows and packets that a data plane judges wrongly, and makes what it finds as small as it can.

The only room that uses hypothesis; it is imported when a search begins, and by the tests that draw policies too.
"""
