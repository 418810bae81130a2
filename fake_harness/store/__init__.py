"""The only SQL of the fake Harness."""
