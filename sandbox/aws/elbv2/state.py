"""ELBv2's tables, the questions asked of them, and the journal that can take a change back.

It validates nothing and talks to no data plane.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sandbox.aws.elbv2 import exceptions
from sandbox.aws.elbv2.records import (
    Listener,
    LoadBalancer,
    RegisteredTarget,
    Rule,
    TargetGroup,
)
from sandbox.aws.store import RecordStore, Table

Record = LoadBalancer | Listener | Rule | TargetGroup | RegisteredTarget


@dataclass(slots=True)
class Change:
    """What one operation wrote; `undo` holds, newest last, how to take each write back."""

    undo: list[Callable[[], None]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """True where nothing was written."""
        return not self.undo


class State:
    """All records of ELBv2. Single reads need no lock; writes happen inside `change()`."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self._change: Change | None = None
        self._load_balancers = store.table("elbv2.load_balancer", LoadBalancer)
        self._listeners = store.table("elbv2.listener", Listener)
        self._rules = store.table("elbv2.rule", Rule)
        self._target_groups = store.table("elbv2.target_group", TargetGroup)
        self._targets = store.table("elbv2.target", RegisteredTarget)

    @contextmanager
    def change(self) -> Iterator[Change]:
        """Run the block alone, as one durable transaction; nests.

        The lock is the store's own, so that a service that writes records of its own and
        of ours in one transaction cannot deadlock with us.
        """
        with self._store.transaction():
            if self._change is not None:
                yield self._change
                return
            self._change = Change()
            try:
                yield self._change
            finally:
                self._change = None

    def take_back(self, change: Change) -> None:
        """Undo a committed change; a record that was written again since is left alone."""
        with self._store.transaction():
            for undo in reversed(change.undo):
                undo()

    def put(self, record: Record) -> None:
        """Write a record under its own key."""
        self._write(record, record)

    def delete(self, record: Record) -> None:
        """Remove a record."""
        self._write(record, None)

    def _write(self, record: Record, after: Record | None) -> None:
        match record:
            case LoadBalancer():
                self._journal(self._load_balancers, record.arn, after)
            case Listener():
                self._journal(self._listeners, record.arn, after)
            case Rule():
                self._journal(self._rules, record.arn, after)
            case TargetGroup():
                self._journal(self._target_groups, record.arn, after)
            case RegisteredTarget():
                self._journal(self._targets, record.key, after)

    def _journal(self, table: Table, key: str, after: Record | None) -> None:  # type: ignore[type-arg]
        if self._change is None:
            raise RuntimeError("a write outside of State.change()")
        before = table.get(key)

        def undo() -> None:
            if table.get(key) is after:
                _set(table, key, before)

        _set(table, key, after)
        self._change.undo.append(undo)

    def load_balancers(self) -> tuple[LoadBalancer, ...]:
        """Return all load balancers."""
        return self._load_balancers.values()

    def listeners(self) -> tuple[Listener, ...]:
        """Return all listeners."""
        return self._listeners.values()

    def rules(self) -> tuple[Rule, ...]:
        """Return all rules but the default ones."""
        return self._rules.values()

    def target_groups(self) -> tuple[TargetGroup, ...]:
        """Return all target groups."""
        return self._target_groups.values()

    def targets(self) -> tuple[RegisteredTarget, ...]:
        """Return all registered and draining targets."""
        return self._targets.values()

    def load_balancer(self, arn: str) -> LoadBalancer:
        """Return one load balancer or raise LoadBalancerNotFound."""
        record = self._load_balancers.get(arn)
        if record is None:
            raise exceptions.load_balancer_not_found(arn)
        return record

    def listener(self, arn: str) -> Listener:
        """Return one listener or raise ListenerNotFound."""
        record = self._listeners.get(arn)
        if record is None:
            raise exceptions.listener_not_found(arn)
        return record

    def rule(self, arn: str) -> Rule:
        """Return one rule or raise RuleNotFound."""
        record = self._rules.get(arn)
        if record is None:
            raise exceptions.rule_not_found(arn)
        return record

    def target_group(self, arn: str) -> TargetGroup:
        """Return one target group or raise TargetGroupNotFound."""
        record = self.find_target_group(arn)
        if record is None:
            raise exceptions.target_group_not_found(arn)
        return record

    def find_target_group(self, arn: str) -> TargetGroup | None:
        """Return one target group, or None."""
        return self._target_groups.get(arn)

    def target(self, target_group_arn: str, target_id: str, port: int) -> RegisteredTarget | None:
        """Return one registered or draining target, or None."""
        return self._targets.get(f"{target_group_arn}|{target_id}|{port}")

    def listeners_of(self, load_balancer_arn: str) -> tuple[Listener, ...]:
        """Return the listeners of one load balancer."""
        return tuple(x for x in self.listeners() if x.load_balancer_arn == load_balancer_arn)

    def rules_of(self, listener_arn: str) -> tuple[Rule, ...]:
        """Return the rules of one listener by priority, without the default one."""
        rules = (rule for rule in self.rules() if rule.listener_arn == listener_arn)
        return tuple(sorted(rules, key=lambda rule: rule.priority))

    def targets_of(self, target_group_arn: str) -> tuple[RegisteredTarget, ...]:
        """Return the registered and draining targets of one group."""
        return tuple(x for x in self.targets() if x.target_group_arn == target_group_arn)

    def uses(self) -> dict[str, set[str]]:
        """Return, by target group, the load balancers whose listeners or rules name it."""
        uses: dict[str, set[str]] = {}
        load_balancer_of = {x.arn: x.load_balancer_arn for x in self.listeners()}
        for listener in self.listeners():
            for arn in listener.default_action.target_group_arns:
                uses.setdefault(arn, set()).add(listener.load_balancer_arn)
        for rule in self.rules():
            # A reader without the lock may meet a rule that is younger than its list.
            user = load_balancer_of.get(rule.listener_arn)
            for arn in rule.action.target_group_arns if user is not None else ():
                uses.setdefault(arn, set()).add(str(user))
        return uses


def _set(table: Table, key: str, record: Record | None) -> None:  # type: ignore[type-arg]
    if record is None:
        table.delete(key)
    else:
        table.put(key, record)
