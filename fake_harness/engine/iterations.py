"""Expand a STRATEGY node when it starts; the iterations are kept on its row."""

from fake_harness.engine.context import NodeScope, resolve
from fake_harness.pipeline.plan import JsonObject, Strategy
from fake_harness.pipeline.strategy import expand, max_concurrency, resolve_body


def expand_strategy(strategy: Strategy, scope: NodeScope) -> JsonObject:
    """Return `{"iterations": [...], "maxConcurrency", "onFailure"}`.

    Each iteration is `{iteration, iterations, postfix, matrix, repeat}`.
    """
    body = resolve_body(strategy, scope)
    found = expand(strategy, body)
    limit = max_concurrency(resolve(strategy.max_concurrency, scope), len(found))
    return {
        "iterations": [
            {
                "iteration": iteration.index,
                "iterations": iteration.total,
                "postfix": iteration.identifier_suffix,
                "matrix": dict(iteration.matrix),
                "repeat": {"item": iteration.item, "partition": list(iteration.partition)},
            }
            for iteration in found
        ],
        "maxConcurrency": limit,
        "onFailure": body.get("onFailure", "RunAll"),
    }
