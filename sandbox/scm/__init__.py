"""The local Git server and its webhooks."""
