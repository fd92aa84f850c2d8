"""Requests of Kafka between pods: real brokers, and clients that write exactly what is asked."""
