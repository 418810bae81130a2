"""A LocalStack behind the gateway: who answers what, and the ports that ask it."""
