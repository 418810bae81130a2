"""In a moment, moto's clocks stand still and its random values repeat.

The stand-ins stay in moto's modules for the rest of the test process: outside of a moment
they show the real thing.
"""

import datetime as dt

import moto.core.utils
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from moto.moto_api._internal import mock_random

from sandbox.aws.moto_plane import moment
from sandbox.aws.moto_plane.moment import Moment, lived, recall

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def installed() -> None:
    moment.install()


def values() -> tuple[object, ...]:
    from moto.kms import utils as kms
    from moto.secretsmanager import models as secrets

    return (
        moto.core.utils.utcnow(),
        moto.core.utils.unix_time(),
        secrets.time.time(),
        mock_random.uuid4(),
        mock_random.choice(range(10**9)),
        kms.os.urandom(8),
    )


def test_same_seed_gives_the_same_values_and_another_seed_others() -> None:
    with lived(Moment(NOON.timestamp(), "seed")):
        first = values()
    with lived(Moment(NOON.timestamp(), "seed")):
        assert values() == first
    with lived(Moment(NOON.timestamp(), "other")):
        assert values()[3:] != first[3:]
    assert first[0] == NOON.replace(tzinfo=None)
    assert first[1] == first[2] == NOON.timestamp()


def test_outside_of_a_moment_the_clock_runs_and_values_differ() -> None:
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    assert abs((moto.core.utils.utcnow() - now).total_seconds()) < 5
    assert values()[3:] != values()[3:]


def test_inner_moment_leaves_the_outer_one_untouched() -> None:
    with lived(Moment(1.0, "outer")):
        plain = [mock_random.random() for _ in range(2)]
    with lived(Moment(1.0, "outer")):
        first = mock_random.random()
        with lived(Moment(2.0, "inner")):
            mock_random.random()
        assert [first, mock_random.random()] == plain


def test_clock_stand_in_makes_plain_datetimes() -> None:
    shown = moto.core.utils.datetime.datetime
    made = shown(2026, 1, 1)
    assert type(made) is dt.datetime
    assert isinstance(made, shown)
    assert type(shown.now(dt.UTC)) is dt.datetime
    assert shown.strptime("2026", "%Y") == made


def test_key_pair_is_recorded_and_comes_back_in_a_replay() -> None:
    from moto.kms import utils as kms

    with lived(Moment(1.0, "s")) as first:
        key = kms.rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with lived(Moment(1.0, "s", first.recorded)):
        again = kms.rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert isinstance(again, rsa.RSAPrivateKey)
    assert again.private_numbers() == key.private_numbers()


def test_recall_produces_once_and_only_outside_of_replays() -> None:
    with lived(Moment(1.0, "s")) as first:
        assert recall(lambda: b"made") == b"made"
    assert first.recorded == [b"made"]
    assert not first.is_replay
    with lived(Moment(1.0, "s", first.recorded)) as replay:
        assert recall(lambda: b"made again") == b"made"
    assert replay.is_replay
