"""moto's whole state to one file and back; when that happens is `durable.py`'s affair.

A pickle of every backend, with three things kept outside: large S3 bodies (blobs), AWS's
managed policies (they come with moto) and locks (made anew).
"""

import copyreg
import importlib
import io
import json
import marshal
import os
import pickle
import platform
import sys
import tempfile
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import CellType, FunctionType
from typing import Any, cast

import moto
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from moto.core.base_backend import BackendDict
from moto.iam.models import AWSManagedPolicy, iam_backends
from moto.s3.models import FakeKey

from sandbox.aws.moto_plane.blobs import BlobStore
from sandbox.aws.moto_plane.journal import BLOB_FROM_BYTES
from sandbox.errors import SandboxError

FORMAT = 1

Backends = dict[str, dict[str, dict[str, Any]]]
"""`module:attribute` of a BackendDict, then account, then region."""

_PRIVATE_KEYS = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)
_PUBLIC_KEYS = (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey)
_LOCKS: Mapping[type, Callable[[], object]] = {
    type(threading.Lock()): threading.Lock,
    type(threading.RLock()): threading.RLock,
}
_VERSIONS = f"moto {moto.__version__} and Python {platform.python_version()}"
_BLOB_CACHE = "_sandbox_blob"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A pickled state and the blobs that it refers to."""

    content: bytes
    blob_names: frozenset[str]


def take(blobs: BlobStore) -> Snapshot:
    """Capture every backend. Nobody may change moto's state meanwhile."""
    head = {
        "format": FORMAT,
        "versions": _VERSIONS,
        "attachments": {
            policy.arn: policy.attachment_count
            for policy in _aws_policies()
            if policy.attachment_count
        },
    }
    file = io.BytesIO()
    file.write(json.dumps(head).encode() + b"\n")
    pickler = _Pickler(file, blobs)
    pickler.dump(_all_backends())
    return Snapshot(content=file.getvalue(), blob_names=frozenset(pickler.blob_names))


def write(snapshot: Snapshot, path: Path) -> None:
    """Write a snapshot so that `path` is whole or absent."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(snapshot.content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def restore(path: Path, blobs: BlobStore) -> None:
    """Put the state of a snapshot into moto, in place of what is there.

    Raises:
        SandboxError: the file was written by an unlike version and cannot be read.

    """
    with path.open("rb") as file:
        head = json.loads(file.readline())
        policies = {policy.arn: policy for policy in _aws_policies()}
        for arn, count in head["attachments"].items():
            policies[arn].attachment_count = count
        try:
            backends = cast("Backends", _Unpickler(file, blobs, policies).load())
            _put_back(backends)
        except (
            pickle.UnpicklingError,
            AttributeError,
            ImportError,
            KeyError,
            TypeError,
            ValueError,
        ) as error:
            message = (
                f"The state of the local AWS in {path} was written with {head['versions']} "
                f"and cannot be read with {_VERSIONS}: {error}."
            )
            hint = "Install the versions that wrote it, or run `sandbox down --purge`."
            raise SandboxError(message, hint=hint) from error


def _aws_policies() -> Iterator[AWSManagedPolicy]:
    for account in list(iam_backends.values()):
        for backend in list(account.values()):
            yield from cast("list[AWSManagedPolicy]", backend.aws_managed_policies)


def _backend_dicts() -> Iterator[tuple[str, BackendDict[Any]]]:
    seen = set()
    for name, module in sorted(sys.modules.items()):
        if not name.startswith("moto.") or ".models" not in name:
            continue
        for attribute, value in list(vars(module).items()):
            if isinstance(value, BackendDict) and id(value) not in seen:
                seen.add(id(value))
                yield f"{name}:{attribute}", value


def _all_backends() -> Backends:
    return {
        key: {account: dict(by_region) for account, by_region in by_account.items()}
        for key, by_account in _backend_dicts()
        if by_account.keys()
    }


def _put_back(backends: Backends) -> None:
    for key, by_account in backends.items():
        module, _, attribute = key.partition(":")
        live = getattr(importlib.import_module(module), attribute)
        for account, by_region in by_account.items():
            for region, backend in by_region.items():
                dict.__setitem__(live[account], region, backend)


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, blobs: BlobStore) -> None:
        super().__init__(file, protocol=5)
        self._blobs = blobs
        self.blob_names: set[str] = set()

    def persistent_id(self, obj: Any) -> tuple[str, str] | None:
        if isinstance(obj, AWSManagedPolicy):
            return "policy", obj.arn
        if isinstance(obj, _BlobName):
            return "blob", obj.name
        return None

    def reducer_override(self, obj: Any) -> Any:  # noqa: PLR0911 - one return a kind of object
        if isinstance(obj, FakeKey):
            return copyreg.__newobj__, (type(obj),), self._key_state(obj), None, None, _fill_key  # type: ignore[attr-defined]
        if isinstance(obj, dict) and type(obj).__module__.startswith("moto."):
            # moto's dicts change what their items are when read or set; take them raw.
            raw = list(dict.items(obj))
            factory = getattr(obj, "default_factory", None)
            state = (vars(obj), factory, raw)
            return _new_dict, (type(obj),), state, None, None, _fill_dict
        if isinstance(obj, (*_PRIVATE_KEYS, *_PUBLIC_KEYS, x509.Certificate)):
            return _reduce_crypto(obj)
        if type(obj) in _LOCKS:
            return _LOCKS[type(obj)], ()
        if isinstance(obj, weakref.ref):
            return weakref.ref, (obj(),)
        if isinstance(obj, FunctionType) and "<locals>" in obj.__qualname__:
            return _reduce_local_function(obj)
        return NotImplemented

    def _key_state(self, key: FakeKey) -> dict[str, Any]:
        state = {k: v for k, v in vars(key).items() if k not in {"lock", _BLOB_CACHE}}
        if key.disposed:
            state["_value_buffer"] = b""
        elif key.contentsize < BLOB_FROM_BYTES:
            state["_value_buffer"] = key.value
        else:
            name = self._blob_name(key)
            self.blob_names.add(name)
            state["_value_buffer"] = _BlobName(name)
        return state

    def _blob_name(self, key: FakeKey) -> str:
        # Hashing all bodies at every snapshot would cost more than the snapshot.
        version = (key.contentsize, key.last_modified, key.version_id)
        cached = key.__dict__.get(_BLOB_CACHE)
        if cached is not None and cached[0] == version:
            return str(cached[1])
        name = self._blobs.put(key.value)
        key.__dict__[_BLOB_CACHE] = (version, name)
        return name


class _Unpickler(pickle.Unpickler):
    def __init__(
        self, file: io.BufferedReader, blobs: BlobStore, policies: Mapping[str, AWSManagedPolicy]
    ) -> None:
        super().__init__(file)
        self._blobs = blobs
        self._policies = policies

    def persistent_load(self, pid: tuple[str, str]) -> Any:
        kind, name = pid
        if kind == "policy":
            return self._policies[name]
        return LazyBuffer(lambda: self._blobs.get(name))


@dataclass(frozen=True, slots=True)
class _BlobName:
    """Stands for a body that lies in the blob store."""

    name: str


@dataclass(slots=True)
class LazyBuffer:
    """The file-like body of an S3 object, read from its blob when somebody wants it."""

    load: Callable[[], bytes]
    _file: Any = field(default=None)

    def close(self) -> None:
        """Close the file if it was ever opened."""
        if self._file is not None:
            self._file.close()

    def __getattr__(self, name: str) -> Any:
        if self._file is None:
            self._file = _spooled(self.load())
        return getattr(self._file, name)


def _fill_key(key: FakeKey, state: dict[str, Any]) -> None:
    body = state.pop("_value_buffer")
    key.__dict__.update(state)
    key._value_buffer = body if isinstance(body, LazyBuffer) else _spooled(body)  # type: ignore[assignment]  # noqa: SLF001
    key.lock = threading.Lock()


def _new_dict(kind: type[dict[Any, Any]]) -> dict[Any, Any]:
    return kind.__new__(kind)


def _fill_dict(
    made: dict[Any, Any], state: tuple[dict[str, Any], Any, list[tuple[Any, Any]]]
) -> None:
    attributes, factory, raw = state
    made.__dict__.update(attributes)
    if isinstance(made, defaultdict):
        made.default_factory = factory
    for key, value in raw:
        dict.__setitem__(made, key, value)


def _spooled(content: bytes) -> Any:
    file = tempfile.SpooledTemporaryFile(max_size=BLOB_FROM_BYTES)  # noqa: SIM115 - moto closes it
    file.write(content)
    return file


def _reduce_crypto(obj: Any) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
    pem = serialization.Encoding.PEM
    if isinstance(obj, x509.Certificate):
        return _load_certificate, (obj.public_bytes(pem),)
    if isinstance(obj, _PUBLIC_KEYS):
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        return _load_public_key, (obj.public_bytes(pem, spki),)
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return _load_private_key, (obj.private_bytes(pem, pkcs8, plain),)


def _reduce_local_function(function: FunctionType) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    # moto's default factories are lambdas inside __init__: nothing can name them.
    cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
    code = marshal.dumps(function.__code__)
    return _make_function, (code, function.__module__, function.__defaults__, cells)


def _make_function(
    code: bytes, module: str, defaults: tuple[Any, ...] | None, cells: tuple[Any, ...]
) -> FunctionType:
    namespace = vars(importlib.import_module(module))
    closure = tuple(CellType(content) for content in cells)
    return FunctionType(marshal.loads(code), namespace, None, defaults, closure)  # noqa: S302 - our own file


# A pickle names functions by module, and cryptography's own live in a hidden one.


def _load_certificate(pem: bytes) -> Any:
    return x509.load_pem_x509_certificate(pem)


def _load_public_key(pem: bytes) -> Any:
    return serialization.load_pem_public_key(pem)


def _load_private_key(pem: bytes) -> Any:
    return serialization.load_pem_private_key(pem, password=None)
