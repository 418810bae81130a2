"""Every table of the fake Harness, on `database.metadata`; no queries."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from fake_harness.store.database import metadata

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Timestamp(TypeDecorator[datetime]):
    """An aware datetime kept as whole microseconds, so that it compares on any database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Write microseconds since 1970."""
        del dialect
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Read a UTC datetime."""
        del dialect
        return None if value is None else _EPOCH + timedelta(microseconds=value)


_JSON = JSON(none_as_null=True)
_SERIAL = BigInteger().with_variant(Integer, "sqlite")

entities = Table(
    "entities",
    metadata,
    Column("id", _SERIAL, primary_key=True, autoincrement=True),
    Column("kind", String, nullable=False),
    Column("account", String, nullable=False),
    Column("org", String, nullable=False, server_default=""),
    Column("project", String, nullable=False, server_default=""),
    Column("parent", String, nullable=False, server_default=""),
    Column("identifier", String, nullable=False),
    Column("name", String, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("tags", _JSON, nullable=False),
    Column("body", _JSON, nullable=False),
    Column("yaml", Text, nullable=False, server_default=""),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    UniqueConstraint("kind", "account", "org", "project", "parent", "identifier"),
)

file_contents = Table(
    "file_contents",
    metadata,
    Column("entity_id", _SERIAL, ForeignKey("entities.id", ondelete="CASCADE"), primary_key=True),
    Column("path", String, nullable=False, index=True),
    Column("content", LargeBinary, nullable=False),
)

secret_values = Table(
    "secret_values",
    metadata,
    Column("entity_id", _SERIAL, ForeignKey("entities.id", ondelete="CASCADE"), primary_key=True),
    Column("ciphertext", LargeBinary, nullable=False),
)

output_secrets = Table(
    "output_secrets",
    metadata,
    Column("id", String, primary_key=True),
    Column("plan_execution_id", String, nullable=False, index=True),
    Column("ciphertext", LargeBinary, nullable=False),
)

run_sequences = Table(
    "run_sequences",
    metadata,
    Column("account", String, primary_key=True),
    Column("org", String, primary_key=True),
    Column("project", String, primary_key=True),
    Column("pipeline", String, primary_key=True),
    Column("value", Integer, nullable=False),
)

plan_executions = Table(
    "plan_executions",
    metadata,
    Column("id", String, primary_key=True),
    Column("account", String, nullable=False),
    Column("org", String, nullable=False),
    Column("project", String, nullable=False),
    Column("pipeline", String, nullable=False),
    Column("name", String, nullable=False),
    Column("run_sequence", Integer, nullable=False),
    Column("status", String, nullable=False),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("plan_json", Text, nullable=False),
    Column("inputs_yaml", Text, nullable=False, server_default=""),
    Column("input_set_references", _JSON, nullable=False),
    Column("trigger_type", String, nullable=False),
    Column("triggered_by", _JSON, nullable=False),
    Column("trigger", _JSON, nullable=False),
    Column("codebase", _JSON, nullable=False),
    Column("tags", _JSON, nullable=False),
    Column("notes", Text, nullable=False, server_default=""),
    Column("stages_executed", _JSON, nullable=False),
    Column("parent_execution_id", String, index=True),
    Column("parent_node_execution_id", String, index=True),
    Column("rerun_of", String),
    Column("retry_of", String),
    Column("retry_stages", _JSON, nullable=False),
    Column("failure", _JSON),
    Column("created_at", Timestamp, nullable=False),
    Column("started_at", Timestamp),
    Column("ended_at", Timestamp),
    Index("plan_executions_by_pipeline", "account", "org", "project", "pipeline", "created_at"),
    Index("plan_executions_by_status", "status"),
)

node_executions = Table(
    "node_executions",
    metadata,
    Column("id", String, primary_key=True),
    Column(
        "plan_execution_id",
        String,
        ForeignKey("plan_executions.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("plan_node_id", String, nullable=False),
    Column("instance", String, nullable=False, server_default=""),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("parent_id", String),
    Column("kind", String, nullable=False),
    Column("type", String, nullable=False, server_default=""),
    Column("identifier", String, nullable=False),
    Column("name", String, nullable=False),
    Column("fqn", String, nullable=False),
    Column("status", String, nullable=False),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("created_at", Timestamp, nullable=False),
    Column("started_at", Timestamp),
    Column("ended_at", Timestamp),
    Column("deadline_at", Timestamp),
    Column("start_at", Timestamp),
    Column("wake_at", Timestamp),
    Column("resolved_params", _JSON, nullable=False),
    Column("outcomes", _JSON, nullable=False),
    Column("failure", _JSON),
    Column("advice", String, nullable=False, server_default=""),
    Column("run_info", _JSON),
    Column("strategy", _JSON),
    Column("step_details", _JSON, nullable=False),
    Column("unit_progresses", _JSON, nullable=False),
    Column("rollback_data", _JSON),
    Column("secret_outputs", _JSON, nullable=False),
    Column("delegate_id", String),
    Column("log_base_key", String, nullable=False, server_default=""),
    UniqueConstraint("plan_execution_id", "plan_node_id", "instance", "attempt"),
)

events = Table(
    "events",
    metadata,
    Column("seq", _SERIAL, primary_key=True, autoincrement=True),
    Column("plan_execution_id", String, nullable=False),
    Column("node_execution_id", String),
    Column("status", String, nullable=False),
    Column("cause", Text, nullable=False, server_default=""),
    Column("at", Timestamp, nullable=False),
    Index("events_by_execution", "plan_execution_id", "seq"),
    sqlite_autoincrement=True,
)

interrupts = Table(
    "interrupts",
    metadata,
    Column("seq", _SERIAL, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("plan_execution_id", String, nullable=False, index=True),
    Column("node_execution_id", String),
    Column("type", String, nullable=False),
    Column("created_by", _JSON, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("handled_at", Timestamp),
    sqlite_autoincrement=True,
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", String, primary_key=True),
    Column("plan_execution_id", String, nullable=False, index=True),
    Column("node_execution_id", String, nullable=False, unique=True),
    Column("account", String, nullable=False),
    Column("org", String, nullable=False),
    Column("project", String, nullable=False),
    Column("pipeline", String, nullable=False),
    Column("type", String, nullable=False),
    Column("status", String, nullable=False),
    Column("message", Text, nullable=False, server_default=""),
    Column("spec", _JSON, nullable=False),
    Column("activities", _JSON, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    Column("deadline_at", Timestamp),
    Column("auto_approve_at", Timestamp),
)

delegates = Table(
    "delegates",
    metadata,
    Column("id", String, primary_key=True),
    Column("account", String, nullable=False),
    Column("name", String, nullable=False),
    Column("host_name", String, nullable=False, server_default=""),
    Column("version", String, nullable=False, server_default=""),
    Column("type", String, nullable=False, server_default=""),
    Column("token_name", String, nullable=False, server_default=""),
    Column("tags", _JSON, nullable=False),
    Column("supported_task_types", _JSON, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("registered_at", Timestamp, nullable=False),
    Column("heartbeat_at", Timestamp, nullable=False),
    UniqueConstraint("account", "name"),
)

delegate_tokens = Table(
    "delegate_tokens",
    metadata,
    Column("account", String, primary_key=True),
    Column("org", String, primary_key=True),
    Column("project", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("status", String, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("created_by", String, nullable=False, server_default=""),
)

delegate_tasks = Table(
    "delegate_tasks",
    metadata,
    Column("id", String, primary_key=True),
    Column("account", String, nullable=False),
    Column("plan_execution_id", String, nullable=False, index=True),
    Column("node_execution_id", String, nullable=False, index=True),
    Column("type", String, nullable=False),
    Column("package", _JSON, nullable=False),
    Column("selectors", _JSON, nullable=False),
    Column("status", String, nullable=False, index=True),
    Column("delegate_id", String),
    Column("created_at", Timestamp, nullable=False),
    Column("acquired_at", Timestamp),
    Column("lease_until", Timestamp),
    Column("abort_requested_at", Timestamp),
    Column("ended_at", Timestamp),
    Column("progress", _JSON, nullable=False),
    Column("result", _JSON),
)

log_streams = Table(
    "log_streams",
    metadata,
    Column("account", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("lines", Integer, nullable=False),
    Column("opened_at", Timestamp, nullable=False),
    Column("closed_at", Timestamp),
)

log_chunks = Table(
    "log_chunks",
    metadata,
    Column("account", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("first_line", Integer, primary_key=True),
    Column("lines", Integer, nullable=False),
    Column("data", Text, nullable=False),
)

webhook_events = Table(
    "webhook_events",
    metadata,
    Column("id", String, primary_key=True),
    Column("account", String, nullable=False),
    Column("org", String, nullable=False, server_default=""),
    Column("project", String, nullable=False, server_default=""),
    Column("pipeline", String, nullable=False, server_default=""),
    Column("trigger", String, nullable=False, server_default=""),
    Column("source", String, nullable=False),
    Column("headers", _JSON, nullable=False),
    Column("payload", Text, nullable=False),
    Column("status", String, nullable=False),
    Column("message", Text, nullable=False, server_default=""),
    Column("execution_ids", _JSON, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("processed_at", Timestamp),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("since", Timestamp, nullable=False),
    Column("until", Timestamp, nullable=False),
)
