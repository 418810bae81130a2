"""The name that people give to this release; the exact version is the commit."""

RELEASE_NAME = "Aurora"
