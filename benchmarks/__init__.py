"""Measures the sandbox on this machine, as ratios from one run."""
