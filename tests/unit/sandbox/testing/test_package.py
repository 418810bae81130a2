import sys

import pytest

import sandbox.testing


def test_every_public_name_is_there() -> None:
    for name in sandbox.testing.__all__:
        assert getattr(sandbox.testing, name) is not None


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sandbox.testing.container", raising=False)
    for name in [name for name in sys.modules if name.startswith("testcontainers")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "testcontainers", None)
    with pytest.raises(ImportError, match=r"harness-aws-sandbox\[testcontainers\]"):
        sandbox.testing.__getattr__("SandboxContainer")


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Sandbocks'"):
        sandbox.testing.__getattr__("Sandbocks")
