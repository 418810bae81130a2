"""A fresh application and client for every test."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.repository import InMemoryUserRepository, seed_users
from app.settings import Settings


@pytest.fixture
def repository() -> InMemoryUserRepository:
    return InMemoryUserRepository(capacity=20, users=seed_users())


@pytest.fixture
def application(repository: InMemoryUserRepository) -> Flask:
    return create_app(Settings(version="abc1234"), repository)


@pytest.fixture
def client(application: Flask) -> FlaskClient:
    return application.test_client()
