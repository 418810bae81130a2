"""`sandbox preflight aws`: what would stop the stack in a real account. It changes nothing."""
