import pytest

from sandbox.testing.settings import Wish, parse_wish, server_environment


def test_a_server_gets_no_account_of_the_person() -> None:
    given = {
        "PATH": "/usr/bin",
        "AWS_PROFILE": "prod",
        "AWS_ENDPOINT_URL": "http://elsewhere",
        "SANDBOX_HOME": "/home/me/.sandbox",
        "HARNESS_PLATFORM_API_KEY": "pat.real",
        "ACCOUNT_ID": "real",
        "PYTHONWARNINGS": "error",
    }
    assert server_environment(given) == {"PATH": "/usr/bin"}


def test_loopback_never_goes_through_a_proxy() -> None:
    kept = server_environment({"https_proxy": "http://proxy:3128", "no_proxy": "intern"})
    assert kept["no_proxy"] == kept["NO_PROXY"] == "127.0.0.1,localhost,::1"


def test_a_marker_changes_only_what_it_names() -> None:
    base = Wish(runtime="process", time_scale=5)
    assert parse_wish(None, None, base=base, where="here") == base
    assert parse_wish("fake", None, base=base, where="here") == Wish(runtime="fake", time_scale=5)


@pytest.mark.parametrize(
    ("runtime", "scale", "message"),
    [
        ("docker", None, "here: runtime='docker' is not one of fake, process"),
        (None, "x", "here: time_scale='x' is no number"),
        (None, 0, "here: time_scale=0 must be above 0"),
    ],
)
def test_a_wrong_wish_says_what_is_allowed(runtime: object, scale: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_wish(runtime, scale, base=Wish(), where="here")
