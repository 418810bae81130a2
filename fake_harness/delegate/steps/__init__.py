"""One step type a file."""
