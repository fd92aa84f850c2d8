"""Kafka on its way between pods: requests are read whole, judged, passed on or answered in the broker's place."""
