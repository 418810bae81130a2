"""Targets through their phases, on records alone."""

from datetime import timedelta

import pytest
from records_for_tests import BLUE, NOW, forward, group, listener, load_balancer

from sandbox.aws.elbv2.records import RegisteredTarget, TargetPhase
from sandbox.aws.elbv2.registration import Registrations
from sandbox.aws.elbv2.state import State
from sandbox.aws.ports import Target
from sandbox.aws.store import RecordStore
from sandbox.clock import TimeScale

TARGET = Target(id="10.0.1.5", port=5000, address="127.10.0.1", real_port=5000)


@pytest.fixture
def state() -> State:
    state = State(RecordStore(None))
    with state.change():
        state.put(group(attributes={"deregistration_delay.timeout_seconds": "60"}))
        state.put(load_balancer())
        state.put(listener(forward((BLUE, 1))))
    return state


def only(state: State) -> RegisteredTarget:
    (target,) = state.targets()
    return target


def test_a_target_serves_once_it_accepts_connections(state: State) -> None:
    registrations = Registrations(state, TimeScale(10))
    with state.change():
        registrations.register(state.target_group(BLUE), TARGET, NOW)
        registrations.advance((), NOW)
        assert only(state).phase is TargetPhase.REGISTERING
        registrations.advance(registrations.registering(), NOW)
    assert only(state).phase is TargetPhase.ACTIVE
    assert registrations.next_event_at() is None


def test_one_probe_interval_is_the_longest_wait_for_a_port(state: State) -> None:
    registrations = Registrations(state, TimeScale(10))
    with state.change():
        registrations.register(state.target_group(BLUE), TARGET, NOW)
        assert registrations.next_event_at() == NOW + timedelta(seconds=3)
        registrations.advance((), NOW + timedelta(seconds=3))
    assert only(state).phase is TargetPhase.ACTIVE


def test_registering_again_keeps_the_target_unless_it_moved(state: State) -> None:
    registrations = Registrations(state, TimeScale(1))
    blue = state.target_group(BLUE)
    with state.change():
        registrations.register(blue, TARGET, NOW)
        registrations.advance(registrations.registering(), NOW)
        registrations.register(blue, TARGET, NOW)
        assert only(state).phase is TargetPhase.ACTIVE
        moved = Target(id="10.0.1.5", port=5000, address="127.10.0.9", real_port=5000)
        registrations.register(blue, moved, NOW)
        assert only(state).phase is TargetPhase.REGISTERING


def test_a_draining_target_is_forgotten_after_its_scaled_delay(state: State) -> None:
    registrations = Registrations(state, TimeScale(10))
    blue = state.target_group(BLUE)
    with state.change():
        registrations.register(blue, TARGET, NOW)
        registrations.deregister(blue, TARGET.id, TARGET.port, NOW)
        registrations.deregister(blue, TARGET.id, TARGET.port, NOW + timedelta(seconds=5))
        registrations.advance((), NOW + timedelta(seconds=5.9))
        assert only(state).phase is TargetPhase.DRAINING
        registrations.advance((), NOW + timedelta(seconds=6))
    assert state.targets() == ()


def test_registering_a_draining_target_starts_it_anew(state: State) -> None:
    registrations = Registrations(state, TimeScale(1))
    blue = state.target_group(BLUE)
    with state.change():
        registrations.register(blue, TARGET, NOW)
        registrations.deregister(blue, TARGET.id, TARGET.port, NOW)
        registrations.register(blue, TARGET, NOW)
    assert only(state).phase is TargetPhase.REGISTERING


def test_a_group_in_no_listener_has_nothing_to_drain(state: State) -> None:
    registrations = Registrations(state, TimeScale(1))
    with state.change():
        for record in state.listeners():
            state.delete(record)
        registrations.register(state.target_group(BLUE), TARGET, NOW)
        registrations.deregister(state.target_group(BLUE), TARGET.id, TARGET.port, NOW)
    assert state.targets() == ()


def test_a_change_taken_back_leaves_the_records_as_they_were(state: State) -> None:
    before = state.target_groups()
    with state.change() as change:
        state.put(group(port=81))
        state.put(group(port=82))
        for record in state.listeners():
            state.delete(record)
    assert state.listeners() == ()
    state.take_back(change)
    assert state.target_groups() == before
    assert len(state.listeners()) == 1


def test_what_was_written_since_is_not_taken_back(state: State) -> None:
    with state.change() as change:
        state.put(group(port=81))
    with state.change():
        state.put(group(port=82))
    state.take_back(change)
    assert state.target_group(BLUE).port == 82


def test_a_failed_change_leaves_nothing(state: State) -> None:
    def failing() -> None:
        with state.change():
            state.put(group(port=81))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert state.target_group(BLUE).port == 5000
