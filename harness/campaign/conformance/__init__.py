"""Conformance cases on data planes: what is applied and asked, in which order, and what is made of it."""
