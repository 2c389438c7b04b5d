"""Brokers: what waits in them."""
