"""`--update-golden` rewrites the expected resources of this folder's golden tests."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    # Another folder may define the same option; either definition will do.
    try:
        parser.addoption("--update-golden", action="store_true", default=False)
    except ValueError:
        return


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden", default=False))
