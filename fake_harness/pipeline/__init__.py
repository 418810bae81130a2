"""Harness v0 YAML: schema, expressions, lint, compile; no I/O."""
