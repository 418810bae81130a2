"""Step types that the engine runs itself; every other type is a delegate's."""
