"""Calls of gRPC between pods, by real clients and servers of grpcio, which are kept across the cases of a lab."""
