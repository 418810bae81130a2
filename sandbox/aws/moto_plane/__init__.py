"""Every AWS service that is not ours, by moto, extended from outside."""
