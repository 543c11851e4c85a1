"""Bench sessions on a live head: a person is led through the steps, and everything is recorded."""
