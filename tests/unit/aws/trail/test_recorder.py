"""Recording loses nothing that can be kept, keeps no secret, and fails no request."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.aws.ports import Principal
from sandbox.aws.trail import store as store_module
from sandbox.aws.trail.callers import Callers, TaskCredentials
from sandbox.aws.trail.grants import Grant
from sandbox.aws.trail.recorder import LARGEST_BODY, Passed, Recorder
from sandbox.aws.trail.store import (
    MOST_OBJECTS,
    Event,
    Permission,
    Query,
    TrailStore,
    read_permissions,
)
from sandbox.aws.wire import HeaderMap, RequestContext, WireRequest, WireResponse

ACCOUNT = "000000000000"
NOW = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)


class NoPrincipals:
    """An IAM that knows nobody."""

    def principal(self, access_key_id: str) -> Principal | None:
        if access_key_id == "BROKEN":
            raise RuntimeError("moto is in the middle of something")
        return None

    def role_id(self, role_arn: str) -> str:
        del role_arn
        return ""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TrailStore]:
    store = TrailStore(tmp_path / "trail.sqlite")
    yield store
    store.close()


@pytest.fixture
def recorder(store: TrailStore) -> Recorder:
    return Recorder(store, Callers(NoPrincipals(), ACCOUNT), lambda _region, _name: ())


def passed(operation: str, parameters: object, *, key: str = "AKID", **more: str) -> Passed:
    return Passed(
        service="ecs",
        context=RequestContext(
            account_id=ACCOUNT, region="us-east-1", access_key_id=key, now=NOW, **more
        ),
        request=WireRequest(
            method="POST",
            path="/",
            query_string="",
            headers=HeaderMap({"X-Amz-Target": f"AmazonEC2ContainerServiceV20141113.{operation}"}),
            body=json.dumps(parameters).encode(),
        ),
        answer=WireResponse(status=200, headers={}, body=b"{}"),
    )


def names(store: TrailStore) -> list[str]:
    return [event.name for _, event in store.lookup(Query(region="us-east-1"))]


def test_everything_noted_before_a_flush_is_there_after_it(
    store: TrailStore, recorder: Recorder
) -> None:
    recorder.start()
    for _ in range(300):
        recorder.note(passed("ListClusters", {}))
    recorder.flush()
    assert len(store.lookup(Query(region="us-east-1", limit=1000))) == 300
    recorder.note(passed("CreateCluster", {"clusterName": "last"}))
    recorder.stop()
    assert names(store)[0] == "CreateCluster"


def test_call_that_cannot_be_read_does_not_take_others_with_it(
    store: TrailStore, recorder: Recorder
) -> None:
    recorder.note(passed("ListClusters", {}, key="BROKEN"))
    recorder.note(passed("CreateCluster", {"clusterName": "c"}))
    recorder.flush()
    assert names(store) == ["CreateCluster"]


def test_large_body_is_content_and_does_not_wait_in_memory(
    store: TrailStore, recorder: Recorder
) -> None:
    recorder.note(passed("CreateCluster", {"clusterName": "x" * LARGEST_BODY}))
    recorder.flush()
    ((_, event),) = store.lookup(Query(region="us-east-1"))
    assert event.record["requestParameters"] is None


def test_event_tells_whole_seconds_and_its_region(store: TrailStore, recorder: Recorder) -> None:
    recorder.note(passed("ListClusters", {}))
    recorder.flush()
    ((_, event),) = store.lookup(Query(region="us-east-1"))
    assert event.time == NOW.replace(microsecond=0)
    assert event.record["eventTime"] == "2026-11-23T12:00:00Z"
    assert store.lookup(Query(region="eu-west-1")) == []


def test_roles_of_a_task_definition_are_passed_by_who_launches_it(store: TrailStore) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/task"
    asked = []

    def roles_of(region: str, name: str) -> list[str]:
        asked.append((region, name))
        return [role]

    recorder = Recorder(store, Callers(NoPrincipals(), ACCOUNT), roles_of)
    recorder.note(passed("RunTask", {"taskDefinition": "web:3"}))
    recorder.note(passed("UpdateService", {"service": "web"}))
    recorder.flush()
    assert asked == [("us-east-1", "web:3")]
    grants = [one.grant for one in store.permissions()]
    assert (
        Grant(action="iam:PassRole", resource=role, passed_to="ecs-tasks.amazonaws.com") in grants
    )


def test_token_of_a_task_names_its_family_and_a_forged_one_nobody(
    store: TrailStore, recorder: Recorder
) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/path/task"
    env = TaskCredentials().environment(role_arn=role, task_arn="arn:x:task/c/1", family="web")
    recorder.note(passed("ListClusters", {}, session_token=env["AWS_SESSION_TOKEN"]))
    recorder.note(passed("ListServices", {}, session_token="sandbox.e30="))
    recorder.flush()
    assert {one.caller for one in store.permissions()} == {"task/web", "person"}
    assert TaskCredentials().environment(role_arn="", task_arn="t", family="web") == {}


def event(number: int, *, time: datetime) -> Event:
    return Event(
        event_id=str(number),
        time=time,
        region="us-east-1",
        name="RunTask",
        source="ecs.amazonaws.com",
        username="u",
        access_key_id="k",
        read_only=False,
        record={},
        resources=(("AWS::ECS::Task", str(number)),),
    )


def test_history_is_bounded_by_number_and_by_age(
    store: TrailStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "KEPT_EVENTS", 700)
    now = datetime.now(UTC)
    old = now - timedelta(days=91)
    store.write([event(n, time=old if n < 400 else now) for n in range(1000)], [])
    found = store.lookup(Query(region="us-east-1", limit=5000))
    assert {int(one.event_id) for _, one in found} == set(range(400, 1000))
    store.write([event(n, time=now) for n in range(1000, 1500)], [])
    assert len(store.lookup(Query(region="us-east-1", limit=5000))) == 700
    gone = Query(region="us-east-1", attribute="ResourceName", value="500")
    assert store.lookup(gone) == []


def test_many_objects_of_a_bucket_become_all_of_them(store: TrailStore, tmp_path: Path) -> None:
    def wanted(key: str) -> Permission:
        grant = Grant(action="s3:GetObject", resource=f"arn:aws:s3:::b/{key}")
        return Permission(caller="person", grant=grant)

    for n in range(MOST_OBJECTS + 10):
        store.write([], [wanted(str(n))])
    store.write([], [wanted("0")])
    again = TrailStore(tmp_path / "trail.sqlite")
    again.write([], [wanted("of the next life")])
    again.close()
    found = {one.grant.resource: one.calls for one in read_permissions(tmp_path / "trail.sqlite")}
    assert len(found) == MOST_OBJECTS + 1
    assert found["arn:aws:s3:::b/*"] == 11
    assert found["arn:aws:s3:::b/0"] == 2


def test_trail_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert read_permissions(tmp_path / "none.sqlite") == []
