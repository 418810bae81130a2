"""Users and where they are kept; knows nothing of HTTP.

The in-memory store belongs to one process: two tasks have two stores.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Protocol


class UserNotFoundError(Exception):
    """No user has this id."""


class EmailTakenError(Exception):
    """Another user has this email address."""


class StoreFullError(Exception):
    """The store has no free place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who takes part in the workshop."""

    id: str
    name: str
    email: str
    role: str
    created_at: datetime
    updated_at: datetime


class UserRepository(Protocol):
    """Keeps users. Every method may be called from several threads at once."""

    def list_users(self) -> tuple[User, ...]:
        """Return all users, oldest first."""

    def get(self, user_id: str) -> User:
        """Return a user or raise UserNotFoundError."""

    def add(self, user: User) -> None:
        """Keep a new user; raise EmailTakenError or StoreFullError."""

    def replace(self, user: User) -> None:
        """Overwrite the user with the same id; raise UserNotFoundError or EmailTakenError."""

    def remove(self, user_id: str) -> None:
        """Forget a user or raise UserNotFoundError."""

    def free_places(self) -> int:
        """Return how many more users fit."""


class InMemoryUserRepository:
    """A UserRepository that lives and dies with its process."""

    def __init__(self, *, capacity: int, users: Iterable[User] = ()) -> None:
        self._capacity = capacity
        self._users = {user.id: user for user in users}
        self._lock = Lock()

    def list_users(self) -> tuple[User, ...]:
        """Return all users, oldest first."""
        with self._lock:
            return tuple(self._users.values())

    def get(self, user_id: str) -> User:
        """Return a user or raise UserNotFoundError."""
        with self._lock:
            return self._existing(user_id)

    def add(self, user: User) -> None:
        """Keep a new user; raise EmailTakenError or StoreFullError."""
        with self._lock:
            if len(self._users) >= self._capacity:
                raise StoreFullError
            self._require_free_email(user)
            self._users[user.id] = user

    def replace(self, user: User) -> None:
        """Overwrite the user with the same id; raise UserNotFoundError or EmailTakenError."""
        with self._lock:
            self._existing(user.id)
            self._require_free_email(user)
            self._users[user.id] = user

    def remove(self, user_id: str) -> None:
        """Forget a user or raise UserNotFoundError."""
        with self._lock:
            del self._users[self._existing(user_id).id]

    def free_places(self) -> int:
        """Return how many more users fit."""
        with self._lock:
            return self._capacity - len(self._users)

    def _existing(self, user_id: str) -> User:
        try:
            return self._users[user_id]
        except KeyError as error:
            raise UserNotFoundError(user_id) from error

    def _require_free_email(self, candidate: User) -> None:
        wanted = candidate.email.casefold()
        for user in self._users.values():
            if user.id != candidate.id and user.email.casefold() == wanted:
                raise EmailTakenError(candidate.email)


def seed_users() -> tuple[User, ...]:
    """Return the people that every fresh store begins with, the same on each task."""
    people = (
        ("Ada Lovelace", "ada@example.com", "admin"),
        ("Grace Hopper", "grace@example.com", "developer"),
        ("Katherine Johnson", "katherine@example.com", "developer"),
        ("Radia Perlman", "radia@example.com", "viewer"),
    )
    born = datetime(2026, 1, 1, tzinfo=UTC)
    return tuple(
        User(
            id=f"seed-{number}",
            name=name,
            email=email,
            role=role,
            created_at=born,
            updated_at=born,
        )
        for number, (name, email, role) in enumerate(people, start=1)
    )
