"""What a project needs, read from its files and from Terraform's plan."""

import json
from pathlib import Path

import pytest
from preflight_needs import own_needs

from sandbox.errors import UsageError
from sandbox.switch.preflight.needs import read_plan


def test_plan_tells_what_would_be_created(tmp_path: Path) -> None:
    rows = [
        {"type": "aws_vpc", "address": "aws_vpc.a", "mode": "managed",
         "change": {"actions": ["create"], "after": {"cidr_block": "10.0.0.0/16"}}},
        {"type": "aws_vpc", "address": "aws_vpc.b", "mode": "managed",
         "change": {"actions": ["no-op"], "after": {}}},
    ]  # fmt: skip
    (tmp_path / "plan.json").write_text(json.dumps({"resource_changes": rows}))
    (row,) = read_plan(tmp_path / "plan.json")
    assert (row.address, row.values["cidr_block"]) == ("aws_vpc.a", "10.0.0.0/16")


def test_what_is_no_plan_says_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("[]")
    with pytest.raises(UsageError) as refused:
        read_plan(tmp_path / "plan.json")
    assert "terraform show -json" in refused.value.hint


def test_project_without_anything_to_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither"):
        own_needs(project=tmp_path)


def test_base_images_are_those_of_the_pipelines_dockerfiles() -> None:
    ours = own_needs()
    assert "python:3.11-slim" in ours.base_images
    assert all(path.startswith("apps/") for row in ours.base_images.values() for path in row)
