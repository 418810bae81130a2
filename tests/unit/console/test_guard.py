import pytest

from fake_harness.console.guard import is_own_host

PUBLIC = "https://harness.example.org:8443"


@pytest.mark.parametrize(
    "name",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "x.localhost",
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "harness.example.org",
        "Harness.Example.org.",
    ],
)
def test_loopback_and_the_public_host_are_own(name: str) -> None:
    assert is_own_host(name, PUBLIC)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "0.0.0.0",
        "evil-localhost",
        "example.org",
        "2130706433",
    ],
)
def test_every_other_host_is_foreign(name: str) -> None:
    assert not is_own_host(name, PUBLIC)


def test_public_url_without_a_host_lets_nobody_in() -> None:
    assert not is_own_host("evil.example", "")
    assert not is_own_host("", "")
