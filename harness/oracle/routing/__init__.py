"""The oracle that says where a request to a Service or a Gateway goes: HTTPRoute and GRPCRoute of Gateway API."""

from harness.oracle.routing.judgement import Router

__all__ = ["Router"]
