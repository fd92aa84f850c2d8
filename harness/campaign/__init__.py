"""Plan, run, journal and resume a comparison, and sum it up in a run's folder."""
