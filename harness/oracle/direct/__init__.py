"""The oracle that evaluates policies one by one, as a reader of the API's documentation would."""

from harness.oracle.direct.judgement import answer

__all__ = ["answer"]
