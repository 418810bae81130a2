from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection
from store_fixtures import NOW

from fake_harness.crypto import Cipher
from fake_harness.errors import HarnessError
from fake_harness.store import approvals, delegate_tasks, delegates, leases, logs
from fake_harness.store.approvals import Activity, Approval, ApprovalStatus
from fake_harness.store.delegate_tasks import NewTask, Offer, TaskStatus
from fake_harness.store.delegates import Delegate, DelegateToken, Registration


def registered(
    connection: Connection, name: str = "d1", tags: Any = (), at: Any = NOW, types: Any = ()
) -> Any:
    registration = Registration(name=name, tags=tags, supported_task_types=types)
    return delegates.register(connection, "acc", registration, now=at)


def offered(
    connection: Connection, task_id: str = "t", selectors: Any = (), kind: str = "Run"
) -> Any:
    task = NewTask(
        id=task_id,
        account="acc",
        plan_execution_id="e",
        node_execution_id=f"n-{task_id}",
        type=kind,
        package={"a": 1},
        selectors=selectors,
    )
    return delegate_tasks.insert_task(connection, task, now=NOW)


def completed(
    connection: Connection,
    delegate: Delegate,
    cipher: Cipher,
    task_id: str = "t",
    status: Any = "SUCCEEDED",
) -> Any:
    result = {"status": status}
    return delegate_tasks.complete(connection, task_id, delegate.id, result, now=NOW, cipher=cipher)


def test_the_same_name_registers_again_with_the_same_id(connection: Connection) -> None:
    first = registered(connection)
    again = registered(connection, tags=("x",), at=NOW + timedelta(minutes=5))
    assert again.id == first.id
    assert list(again.tags) == ["x"]
    assert len(delegates.list_delegates(connection, "acc")) == 1


def test_a_silent_delegate_is_not_connected(connection: Connection) -> None:
    delegate = registered(connection)
    assert delegate.is_connected(NOW + timedelta(seconds=59))
    assert not delegate.is_connected(NOW + timedelta(seconds=61))


@pytest.mark.parametrize(
    ("tags", "types", "selectors", "eligible"),
    [
        ((), (), (), True),
        (("linux", "gpu"), (), ("gpu",), True),
        (("linux", "gpu"), (), ("gpu", "linux"), True),
        (("linux",), (), ("gpu", "linux"), False),
        ((), (), ("d1",), True),
        (("GPU",), (), ("gpu",), True),
        ((), ("Http",), (), False),
        ((), ("Http", "Run"), (), True),
    ],
)
def test_a_task_is_offered_to_delegates_with_all_its_selectors(
    connection: Connection, tags: Any, types: Any, selectors: Any, eligible: Any
) -> None:
    delegate = registered(connection, tags=tags, types=types)
    offered(connection, selectors=selectors)
    expected = (Offer(task_id="t", abort=False),) if eligible else ()
    assert delegate_tasks.offers(connection, delegate, now=NOW) == expected
    acquired = delegate_tasks.acquire(connection, "t", delegate, now=NOW)
    assert (acquired is not None) is eligible


def test_a_task_goes_to_one_delegate(connection: Connection) -> None:
    first, second = registered(connection, "d1"), registered(connection, "d2")
    assert offered(connection)
    assert not offered(connection)
    assert delegate_tasks.acquire(connection, "t", first, now=NOW).package == {"a": 1}
    assert delegate_tasks.acquire(connection, "t", second, now=NOW) is None
    assert delegate_tasks.acquire(connection, "t", first, now=NOW) is not None
    assert delegate_tasks.offers(connection, second, now=NOW) == ()


def test_a_restarted_delegate_is_offered_its_tasks_until_it_takes_them_up(
    connection: Connection,
) -> None:
    delegate = registered(connection)
    offered(connection)
    delegate_tasks.acquire(connection, "t", delegate, now=NOW)
    assert delegate_tasks.offers(connection, delegate, now=NOW) == ()
    later = NOW + timedelta(seconds=5)
    delegate = registered(connection, at=later)
    assert delegate_tasks.offers(connection, delegate, now=later) == (
        Offer(task_id="t", abort=False),
    )
    delegate_tasks.acquire(connection, "t", delegate, now=later)
    assert delegate_tasks.offers(connection, delegate, now=later) == ()


def test_a_heartbeat_renews_leases(connection: Connection) -> None:
    delegate = registered(connection)
    offered(connection)
    delegate_tasks.acquire(connection, "t", delegate, now=NOW)
    later = NOW + timedelta(seconds=30)
    assert delegate_tasks.renew_leases(connection, delegate.id, now=later) == 1
    lease = delegate_tasks.get_task(connection, "t").lease_until
    assert lease == later + timedelta(seconds=delegate_tasks.LEASE_S)


def test_a_result_is_taken_once(connection: Connection, cipher: Cipher) -> None:
    delegate, other = registered(connection), registered(connection, "d2")
    offered(connection)
    assert not completed(connection, delegate, cipher), "not acquired yet"
    delegate_tasks.acquire(connection, "t", delegate, now=NOW)
    assert not completed(connection, other, cipher)
    assert completed(connection, delegate, cipher)
    assert completed(connection, delegate, cipher, status="FAILED")
    task = delegate_tasks.get_task(connection, "t")
    assert (task.status, task.result) == (TaskStatus.COMPLETED, {"status": "SUCCEEDED"})


def test_a_cancelled_task_is_stopped_until_its_end_is_reported(
    connection: Connection, cipher: Cipher
) -> None:
    delegate = registered(connection)
    offered(connection)
    delegate_tasks.acquire(connection, "t", delegate, now=NOW)
    delegate_tasks.cancel(connection, "t", now=NOW)
    stop = (Offer(task_id="t", abort=True),)
    assert delegate_tasks.offers(connection, delegate, now=NOW) == stop
    assert completed(connection, delegate, cipher, status="ABORTED")
    assert delegate_tasks.offers(connection, delegate, now=NOW) == ()
    assert delegate_tasks.get_task(connection, "t").status is TaskStatus.CANCELLED


def test_an_abort_is_offered_to_the_delegate_that_runs_the_task(connection: Connection) -> None:
    delegate, other = registered(connection), registered(connection, "d2")
    offered(connection)
    delegate_tasks.acquire(connection, "t", delegate, now=NOW)
    delegate_tasks.request_abort(connection, "t", now=NOW)
    assert delegate_tasks.offers(connection, other, now=NOW) == ()
    assert delegate_tasks.offers(connection, delegate, now=NOW) == (Offer(task_id="t", abort=True),)


def test_revoked_tokens_open_nothing(connection: Connection, cipher: Cipher) -> None:
    token = DelegateToken(
        account="acc",
        org="",
        project="",
        name="one",
        status="ACTIVE",
        created_at=NOW,
        created_by="me",
    )
    delegates.create_token(connection, token, "a" * 32, cipher=cipher)
    with pytest.raises(HarnessError):
        delegates.create_token(connection, token, "b" * 32, cipher=cipher)
    assert delegates.reveal_tokens(connection, "acc", cipher=cipher) == {"one": "a" * 32}
    assert delegates.revoke_token(connection, "acc", "one")
    assert delegates.reveal_tokens(connection, "acc", cipher=cipher) == {}
    assert not delegates.revoke_token(connection, "acc", "one")


def appended(connection: Connection, lines: Any, offset: int) -> Any:
    return logs.append_lines(connection, "acc", "k", lines=lines, offset=offset, now=NOW)


def test_repeated_log_lines_are_cut_not_doubled(connection: Connection) -> None:
    assert appended(connection, ["1", "2"], 0) == 2
    assert appended(connection, ["1", "2"], 0) == 2
    assert appended(connection, ["2", "3"], 1) == 3
    assert appended(connection, [], 3) == 3
    assert logs.read_lines(connection, "acc", "k").lines == ("1", "2", "3")


def test_a_gap_in_a_log_is_refused(connection: Connection) -> None:
    appended(connection, ["1"], 0)
    with pytest.raises(HarnessError, match="gap"):
        appended(connection, ["3"], 2)


@pytest.mark.parametrize(
    ("offset", "limit", "lines", "closed"),
    [
        (0, 10, ("1", "2", "3", "4"), True),
        (1, 2, ("2", "3"), False),
        (3, 10, ("4",), True),
        (4, 10, (), True),
    ],
)
def test_a_log_is_read_from_any_line_on(
    connection: Connection, offset: int, limit: Any, lines: Any, closed: Any
) -> None:
    appended(connection, ["1", "2"], 0)
    appended(connection, ["3"], 2)
    appended(connection, ["4"], 3)
    logs.close_stream(connection, "acc", "k", now=NOW)
    found = logs.read_lines(connection, "acc", "k", offset=offset, limit=limit)
    assert (found.lines, found.next_offset, found.closed) == (lines, offset + len(lines), closed)


def test_logs_are_listed_by_prefix(connection: Connection) -> None:
    for key in ("a/b-commandUnit:Deploy", "a/b", "a/c", "a%b"):
        logs.open_stream(connection, "acc", key, now=NOW)
    found = logs.list_streams(connection, "acc", prefix="a/b")
    assert [stream.key for stream in found] == ["a/b", "a/b-commandUnit:Deploy"]
    assert logs.read_lines(connection, "acc", "nope") is None


def waiting(connection: Connection, **spec: Any) -> None:
    approval = Approval(
        id="ap",
        plan_execution_id="e",
        node_execution_id="n",
        account="acc",
        org="default",
        project="demo",
        pipeline="p",
        spec=spec,
        created_at=NOW,
        updated_at=NOW,
    )
    assert approvals.insert_approval(connection, approval)
    assert not approvals.insert_approval(connection, approval)


def act(connection: Connection, user: Any = "u1", action: Any = "APPROVE", **inputs: Any) -> Any:
    activity = Activity(user={"identifier": user}, action=action, approver_inputs=inputs)
    return approvals.act(connection, "ap", activity, now=NOW).status


def test_an_approval_needs_its_number_of_approvers(connection: Connection) -> None:
    waiting(connection, approvers={"minimumCount": 2})
    assert act(connection) is ApprovalStatus.WAITING
    with pytest.raises(HarnessError, match="already acted"):
        act(connection)
    assert act(connection, "u2") is ApprovalStatus.APPROVED
    with pytest.raises(HarnessError, match="already completed"):
        act(connection, "u3")


def test_one_rejection_rejects(connection: Connection) -> None:
    waiting(connection, approvers={"minimumCount": 3})
    act(connection)
    assert act(connection, "u2", "REJECT") is ApprovalStatus.REJECTED


def test_approver_inputs_are_checked_and_get_their_defaults(connection: Connection) -> None:
    waiting(
        connection,
        approverInputs=[{"name": "why", "required": True}, {"name": "how", "defaultValue": "slow"}],
    )
    with pytest.raises(HarnessError, match="why"):
        act(connection)
    with pytest.raises(HarnessError, match="Unknown"):
        act(connection, why="x", nope="y")
    act(connection, why="x")
    [activity] = approvals.require_approval(connection, "ap").activities
    assert activity["approverInputs"] == [
        {"name": "why", "value": "x"},
        {"name": "how", "value": "slow"},
    ]


def test_a_lease_has_one_owner_until_it_runs_out(connection: Connection) -> None:
    take = lambda owner, at: leases.take_or_renew(connection, "engine", owner, now=at, for_s=10)  # noqa: E731
    assert take("one", NOW)
    assert not take("two", NOW + timedelta(seconds=9))
    assert take("one", NOW + timedelta(seconds=9))
    assert not take("two", NOW + timedelta(seconds=15))
    assert take("two", NOW + timedelta(seconds=20))
    assert leases.get_lease(connection, "engine").owner == "two"
    leases.release(connection, "engine", "two")
    assert take("three", NOW + timedelta(seconds=21))
