"""`docs/localstack.md` says what the code does."""

from pathlib import Path

import pytest

from sandbox.aws.localstack.services import STAYS

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "localstack.md").read_text()
TABLE = PAGE.partition("These stay with the sandbox")[2].partition("The parts of ours")[0]


@pytest.mark.parametrize("service", STAYS)
def test_each_service_that_stays_is_in_the_table(service: str) -> None:
    assert f"`{service}`" in TABLE
