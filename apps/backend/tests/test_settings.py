from __future__ import annotations

import pytest

from app.settings import Settings


def test_an_empty_environment_gives_a_working_dev_service() -> None:
    assert Settings.from_environ({}) == Settings()


def test_every_variable_is_honoured() -> None:
    settings = Settings.from_environ(
        {
            "APP_VERSION": "abc1234",
            "APP_ENV": "prod",
            "CORS_ORIGINS": "https://a.example, https://b.example",
            "LOG_LEVEL": "DEBUG",
            "USER_CAPACITY": "7",
        }
    )
    assert settings == Settings(
        version="abc1234",
        environment="prod",
        cors_origins=("https://a.example", "https://b.example"),
        log_level="DEBUG",
        user_capacity=7,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_ENV", "staging"),
        ("LOG_LEVEL", "loud"),
        ("USER_CAPACITY", "0"),
        ("USER_CAPACITY", "many"),
        ("USER_CAPACITY", "²"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is '{value}'"):
        Settings.from_environ({name: value})
