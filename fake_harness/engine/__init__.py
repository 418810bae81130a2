"""The pipeline engine: decides from stored rows, applies one transaction at a time."""
