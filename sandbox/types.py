"""Shared type words: JSON values as they cross an edge."""

from collections.abc import Mapping

JsonObject = Mapping[str, object]
"""A parsed JSON or AWS request object; narrowed at once by the code that reads it."""
