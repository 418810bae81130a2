import pytest

from sandbox.testing.calls import AwsCall, is_read, missing_in_order, shown


def call(number: int, name: str, status: int = 200, error: str = "") -> AwsCall:
    service, _, operation = name.partition(".")
    return AwsCall(
        number=number,
        service=service,
        operation=operation,
        parameters={},
        region="us-east-1",
        by="test",
        status=status,
        error=error,
    )


CALLS = [call(1, "s3.CreateBucket"), call(2, "ecs.CreateCluster"), call(3, "s3.PutObject")]


@pytest.mark.parametrize(
    ("wanted", "missing"),
    [
        ([], ""),
        (["s3.CreateBucket", "s3.PutObject"], ""),
        (["CreateCluster", "s3.*"], ""),
        (["s3.*", "s3.*", "s3.*"], "s3.*"),
        (["s3.PutObject", "s3.CreateBucket"], "s3.CreateBucket"),
        (["ecs.PutObject"], "ecs.PutObject"),
    ],
    ids=["nothing", "in order", "patterns", "too often", "wrong order", "wrong service"],
)
def test_calls_are_found_in_order(wanted: list[str], missing: str) -> None:
    assert missing_in_order(CALLS, wanted) == missing


def test_a_refusal_is_shown() -> None:
    text = shown([call(1, "ecs.ListTasks", 400, "ClusterNotFoundException")])
    assert text == "    1 test     ecs.ListTasks -> ClusterNotFoundException"


def test_only_the_last_calls_are_shown() -> None:
    assert shown(CALLS, most=1).splitlines() == [
        "  ... 2 earlier calls",
        "    3 test     s3.PutObject",
    ]
    assert shown([]) == "  (none)"


@pytest.mark.parametrize(
    ("operation", "reads"),
    [("DescribeTasks", True), ("GetObject", True), ("PutObject", False), ("CreateTags", False)],
)
def test_what_only_looks_is_known(operation: str, reads: bool) -> None:
    assert is_read(operation) is reads
