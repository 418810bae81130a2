"""CloudTrail of this machine: what was called, by whom, and the permission that it needed."""
