"""Harness REST API: one blueprint a resource."""
