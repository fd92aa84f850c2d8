"""Settings of hypothesis for all unit tests."""

from hypothesis import settings

# A machine under load is slow, which is no fault of what is tested: no test asserts a time on the clock.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
