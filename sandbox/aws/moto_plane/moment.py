"""Time, randomness and keys as moto sees them, so that a request can be run again.

While a `Moment` is open on a thread, every clock that moto reads there stands still, every
random value comes from the moment's seed, and what cannot be seeded (key pairs) is recorded
or, in a replay, taken from the record. Threads without a moment see the real thing.

moto offers a seed only; the rest is done by putting stand-ins for `datetime`, `time`, `os`,
`uuid`, `random` and key generation into moto's modules as they are imported.
"""

import datetime as dt
import importlib.abc
import importlib.machinery
import os
import random
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from moto.moto_api._internal import mock_random
from moto.moto_api._internal.moto_random import MotoRandom

_current = threading.local()


class Moment:
    """One frozen instant with its own random numbers.

    Args:
        now: seconds since the epoch.
        seed: where its random numbers start.
        recorded: what an earlier run recorded; None records instead.

    """

    def __init__(self, now: float, seed: str, recorded: Sequence[bytes] | None = None) -> None:
        self.now = now
        self.seed = seed
        self.random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.recorded: list[bytes] = []
        self._replayed = None if recorded is None else list(recorded)

    @property
    def is_replay(self) -> bool:
        """Tell whether this moment was lived before: nothing may leave the process."""
        return self._replayed is not None

    def recall(self, produce: Callable[[], bytes]) -> bytes:
        """Return what `produce` gave when this moment was first lived."""
        value = self._replayed.pop(0) if self._replayed else produce()
        self.recorded.append(value)
        return value


@contextmanager
def lived(moment: Moment) -> Iterator[Moment]:
    """Open `moment` on this thread; moments nest."""
    outer = current()
    _current.moment = moment
    try:
        yield moment
    finally:
        _current.moment = outer


def current() -> Moment | None:
    """Return the moment that is open on this thread."""
    return getattr(_current, "moment", None)


def recall(produce: Callable[[], bytes]) -> bytes:
    """Return a value that cannot be seeded, the same one in a replay."""
    moment = current()
    return moment.recall(produce) if moment else produce()


def install() -> None:
    """Put the stand-ins into moto, into modules that are imported later too; once a process."""
    if any(isinstance(finder, _TamingFinder) for finder in sys.meta_path):
        return
    mock_random.__class__ = _MomentRandom
    for name, module in list(sys.modules.items()):
        if _is_tamed(name):
            _tame(module)
    sys.meta_path.insert(0, _TamingFinder())


class _MomentRandom(MotoRandom):
    def random(self) -> float:
        moment = current()
        return moment.random.random() if moment else super().random()

    def getrandbits(self, k: int, /) -> int:
        moment = current()
        return moment.random.getrandbits(k) if moment else super().getrandbits(k)


class _ClockType(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, dt.datetime)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, dt.datetime)


class _Datetime(dt.datetime, metaclass=_ClockType):
    """`datetime.datetime` whose `now` is the moment's; it makes plain datetimes."""

    def __new__(cls, *args: Any, **kwargs: Any) -> dt.datetime:  # type: ignore[misc]
        return dt.datetime(*args, **kwargs)  # noqa: DTZ001 - as the caller wants it

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
        moment = current()
        return dt.datetime.fromtimestamp(moment.now, tz) if moment else dt.datetime.now(tz)

    @classmethod
    def utcnow(cls) -> dt.datetime:  # type: ignore[override]
        return cls.now(dt.UTC).replace(tzinfo=None)

    @classmethod
    def today(cls) -> dt.datetime:  # type: ignore[override]
        return cls.now()


class _StandIn(ModuleType):
    """A module that shows the attributes of another one, some of them replaced."""

    def __init__(self, original: ModuleType, **replaced: object) -> None:
        super().__init__(original.__name__)
        self.__dict__["_original"] = original
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_original"], name)


def _time() -> float:
    moment = current()
    return moment.now if moment else time.time()


def _urandom(size: int) -> bytes:
    moment = current()
    return moment.random.randbytes(size) if moment else os.urandom(size)


def _uuid4() -> uuid.UUID:
    return uuid.UUID(bytes=_urandom(16), version=4)


def _rsa_key(public_exponent: int, key_size: int, backend: Any = None) -> Any:
    del backend
    return _key(lambda: rsa.generate_private_key(public_exponent, key_size))


def _ec_key(curve: ec.EllipticCurve, backend: Any = None) -> Any:
    del backend
    return _key(lambda: ec.generate_private_key(curve))


class _Ed25519PrivateKey(ed25519.Ed25519PrivateKey):
    @classmethod
    def generate(cls) -> Any:
        return _key(ed25519.Ed25519PrivateKey.generate)


def _key(generate: Callable[[], Any]) -> Any:
    def produce() -> bytes:
        pem: bytes = generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return pem

    return serialization.load_pem_private_key(recall(produce), password=None)


_REPLACED: Sequence[tuple[object, object]] = (
    (dt, _StandIn(dt, datetime=_Datetime)),
    (dt.datetime, _Datetime),
    (time, _StandIn(time, time=_time)),
    (os, _StandIn(os, urandom=_urandom)),
    (uuid, _StandIn(uuid, uuid4=_uuid4, uuid1=_uuid4)),
    (uuid.uuid4, _uuid4),
    (random, mock_random),
    (rsa, _StandIn(rsa, generate_private_key=_rsa_key)),
    (ec, _StandIn(ec, generate_private_key=_ec_key)),
    (ed25519.Ed25519PrivateKey, _Ed25519PrivateKey),
)


def _is_tamed(name: str) -> bool:
    if name == "moto.core.utils":
        return True
    return name.startswith("moto.") and not name.startswith(
        ("moto.core", "moto.moto_server", "moto.moto_api._internal.moto_random", "moto.settings")
    )


def _tame(module: ModuleType) -> None:
    for name, value in list(vars(module).items()):
        for original, stand_in in _REPLACED:
            if value is original:
                setattr(module, name, stand_in)


class _TamingFinder(importlib.abc.MetaPathFinder):
    """Finds moto's modules as Python does, and tames each once it has been run."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if not _is_tamed(fullname):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _TamingLoader(spec.loader.name, spec.loader.path)
        return spec


class _TamingLoader(importlib.machinery.SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        # A replay may import what was there already in the first run: what a module does
        # as it is imported must not use up the moment's random numbers.
        outer = current()
        _current.moment = None
        try:
            super().exec_module(module)
        finally:
            _current.moment = outer
        _tame(module)
