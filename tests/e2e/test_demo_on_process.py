"""The demo and its rollback on processes, without any container engine."""

from demo_road import DemoRoad

ENGINE = "process"


class TestDemo(DemoRoad):
    """Every promise of the road."""
