"""Harness API, pipeline engine, delegate stand-in and console."""
