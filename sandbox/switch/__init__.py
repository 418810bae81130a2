"""The switch between the sandbox and real accounts: what is chosen, checked and guarded."""
