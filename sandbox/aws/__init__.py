"""The local AWS: one endpoint, data planes of our own, moto behind the rest."""
