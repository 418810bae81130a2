"""What an engine does with delegates and with other engines, on a real database."""

from typing import Any

import pytest
from engine_harness import EngineUnderTest, custom, pipeline, shell

from fake_harness.engine.reports import NO_DELEGATE
from fake_harness.store import delegate_tasks, leases
from fake_harness.store.delegate_tasks import Offer, TaskStatus


def test_a_task_that_no_delegate_may_take_fails_after_a_while(engine: EngineUnderTest) -> None:
    text = pipeline(custom("a", shell("s", spec={"delegateSelectors": ["gpu"]})))
    assert engine.run(text) == "RUNNING"
    engine.now.turn(59)
    assert engine.finish(engine.execution_id) == "RUNNING"
    engine.now.turn(1)
    assert engine.finish(engine.execution_id) == "FAILED"
    failure: Any = engine.execution().failure
    assert failure["message"].startswith(NO_DELEGATE)
    assert failure["failureTypes"] == ["DELEGATE_PROVISIONING_FAILURE"]


def test_selectors_of_all_levels_must_match(engine: EngineUnderTest) -> None:
    text = pipeline(
        custom("a", shell("s", spec={"delegateSelectors": ["one"]}), delegateSelectors=["two"]),
        delegateSelectors=["three"],
    )
    engine.start(text)
    engine.loop.tick()
    with engine.write() as connection:
        assert delegate_tasks.offers(connection, engine.delegate, now=engine.now()) == ()
        able = engine.register(connection, "able", tags=("one", "two", "three"))
        assert len(delegate_tasks.offers(connection, able, now=engine.now())) == 1


def test_a_lost_delegate_fails_its_step_and_is_never_run_again_in_silence(
    engine: EngineUnderTest,
) -> None:
    engine.execution_id = engine.start(pipeline(custom("a", shell("s"))))
    engine.loop.tick()
    with engine.write() as connection:
        [offer] = delegate_tasks.offers(connection, engine.delegate, now=engine.now())
        delegate_tasks.acquire(connection, offer.task_id, engine.delegate, now=engine.now())
    engine.now.turn(89)
    engine.loop.tick()
    assert engine.execution().status.value == "RUNNING"
    engine.now.turn(1)
    engine.loop.tick()
    failure: Any = engine.execution().failure
    assert failure["failureTypes"] == ["DELEGATE_RESTART"]
    assert len([node for node in engine.nodes() if node.identifier == "s"]) == 1


def test_an_engine_that_was_away_gives_delegates_time_to_come_back(engine: EngineUnderTest) -> None:
    engine.execution_id = engine.start(pipeline(custom("a", shell("s"))))
    engine.loop.tick()
    with engine.write() as connection:
        [offer] = delegate_tasks.offers(connection, engine.delegate, now=engine.now())
        delegate_tasks.acquire(connection, offer.task_id, engine.delegate, now=engine.now())
    engine.now.turn(3600)
    engine.loop = engine.new_loop()
    engine.loop.tick()
    assert engine.execution().status.value == "RUNNING"


def test_a_second_engine_does_nothing_while_the_first_holds_the_lease(
    engine: EngineUnderTest,
) -> None:
    second = engine.new_loop(holding=False)
    assert engine.loop._hold_lease()
    assert not second._hold_lease()
    engine.now.turn(11)
    assert second._hold_lease()
    with engine.write() as connection:
        lease = leases.get_lease(connection, "engine")
        assert lease is not None
        assert lease.owner == second.owner


def test_an_engine_that_lost_its_lease_writes_nothing_more(engine: EngineUnderTest) -> None:
    second = engine.new_loop(holding=False)
    assert engine.loop._hold_lease()
    engine.now.turn(11)
    assert second._hold_lease()
    engine.execution_id = engine.start(pipeline(custom("a", shell("s"))))
    assert engine.loop._safe_tick() is False
    assert engine.execution().status.value == "QUEUED"
    second.tick()
    assert engine.execution().status.value == "RUNNING"


def test_a_delegate_gets_a_whole_package(engine: EngineUnderTest) -> None:
    engine.run(pipeline(custom("a", shell("s"))))
    [package] = engine.packages["s"]
    stage = engine.node("a")
    assert package["taskId"] == package["nodeExecutionId"] == engine.node("s").id
    assert package["stageExecutionId"] == package["workspaceId"] == stage.id
    assert package["stageFqn"] == "pipeline.stages.a"
    assert package["taskType"] == "ShellScript"
    assert package["timeoutSeconds"] == 600
    assert "secrets" not in package


@pytest.mark.parametrize("ends", ["SUCCEEDED", "FAILED"])
def test_what_a_background_step_started_goes_on_until_its_stage_ends(
    engine: EngineUnderTest, ends: str
) -> None:
    database = {
        **shell("db")["step"],
        "type": "Background",
        "spec": {"image": "db", "command": "x"},
    }
    engine.answers = {"db": {"detached": True}, "tests": {"status": ends}}
    text = pipeline(custom("a", {"step": database}, shell("tests")), custom("b", shell("later")))
    engine.execution_id = engine.start(text)
    engine.loop.tick()
    engine.answer_all()
    engine.loop.tick()
    assert (engine.node("db").status.value, engine.node("tests").status.value) == (
        "SUCCEEDED",
        "TASK_WAITING",
    )
    assert background_task(engine) is TaskStatus.ACQUIRED
    engine.answer_all()
    engine.loop.tick()
    assert engine.node("a").status.value == ends
    assert background_task(engine) is TaskStatus.CANCELLED
    with engine.write() as connection:
        offers = delegate_tasks.offers(connection, engine.delegate, now=engine.now())
    assert Offer(task_id=engine.node("db").id, abort=True) in offers


def background_task(engine: EngineUnderTest) -> TaskStatus:
    with engine.write() as connection:
        task = delegate_tasks.get_task(connection, engine.node("db").id)
    assert task is not None
    return task.status
