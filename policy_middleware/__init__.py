"""Decide every request of a Python web application by JSON rules that live in Redis."""
