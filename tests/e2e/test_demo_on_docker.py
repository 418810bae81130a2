"""The demo and its rollback on Docker."""

from demo_road import DemoRoad

ENGINE = "docker"


class TestDemo(DemoRoad):
    """Every promise of the road."""
