"""The command, the environment switch and the local AWS."""
