"""A real account is changed only by whoever named it."""

import pytest

from sandbox.switch.guard import Account, RefusedError, confirm

ACCOUNT = Account(vendor="AWS", id="123456789012", detail="arn:aws:iam::123456789012:user/ann")
OTHER = "210987654321"


def nobody(question: str) -> str:
    raise AssertionError(f"nobody is to be asked: {question}")


def test_yes_with_the_right_account_asks_nobody() -> None:
    confirm(ACCOUNT, "terraform apply", yes=True, named=ACCOUNT.id, ask=nobody)


@pytest.mark.parametrize("typed", ["123456789012", " 123456789012 "])
def test_person_goes_on_by_typing_the_account(typed: str) -> None:
    asked = []

    def ask(question: str) -> str:
        asked.append(question)
        return typed

    confirm(ACCOUNT, "terraform apply", yes=False, named=None, ask=ask)
    assert "terraform apply" in asked[0]
    assert str(ACCOUNT) in asked[0]


@pytest.mark.parametrize("typed", ["", "y", "yes", OTHER])
def test_any_other_answer_refuses(typed: str) -> None:
    with pytest.raises(RefusedError, match="Nothing was done"):
        confirm(ACCOUNT, "terraform apply", yes=False, named=None, ask=lambda _: typed)


@pytest.mark.parametrize(
    ("yes", "named", "interactive"),
    [
        pytest.param(False, None, False, id="nobody there"),
        pytest.param(False, ACCOUNT.id, False, id="account without yes"),
        pytest.param(True, None, False, id="yes without account"),
        pytest.param(True, None, True, id="yes without account, interactive"),
        pytest.param(True, OTHER, True, id="other account"),
        pytest.param(False, OTHER, True, id="other account, interactive"),
    ],
)
def test_half_a_consent_is_refused_with_exit_code_1(
    yes: bool, named: str | None, interactive: bool
) -> None:
    ask = nobody if interactive else None
    with pytest.raises(RefusedError) as refused:
        confirm(ACCOUNT, "terraform apply", yes=yes, named=named, ask=ask)
    assert refused.value.exit_code == 1
    assert str(ACCOUNT) in refused.value.message
