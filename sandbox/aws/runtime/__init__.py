"""Container runtimes: one port, several engines."""
