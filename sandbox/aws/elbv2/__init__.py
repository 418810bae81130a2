"""Elastic Load Balancing v2: control plane, and Envoy as the data plane."""
