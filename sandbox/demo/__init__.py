"""The workshop's whole road in one command; it uses only what a person would use."""
