"""The delegate stand-in: polls for tasks, runs steps, reports over HTTP."""
