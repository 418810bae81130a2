"""What the preflight's tests give its checks: needs, clients of AWS by moto, the worst verdict."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sandbox.switch.preflight.line import Line, Verdict
from sandbox.switch.preflight.needs import Needs, Planned, read_needs

PROJECT = Path(__file__).resolve().parents[3]
REGION = "us-east-1"


def needs(
    *planned: tuple[str, dict[str, Any]],
    texts: dict[str, str] | None = None,
    documents: dict[str, Any] | None = None,
    base_images: dict[str, tuple[str, ...]] | None = None,
) -> Needs:
    rows = tuple(
        Planned(type=kind, address=f"{kind}.this", values=values) for kind, values in planned
    )
    return Needs(
        terraform_texts=texts or {},
        planned=rows if planned else None,
        harness=documents or {},
        base_images=base_images or {},
    )


def own_needs(project: Path = PROJECT, **environment: str) -> Needs:
    """Return what the workshop itself needs, as its files say."""
    return read_needs(
        infra=project / "infra", harness=project / "harness", plan=None, environment=environment
    )


def client(service: str) -> Any:
    return boto3.client(
        service, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x"
    )


def worst(lines: list[Line]) -> Verdict:
    order = [Verdict.OK, Verdict.WARNING, Verdict.BLOCKED]
    return max((line.verdict for line in lines), key=order.index)


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield
