"""The canary's name; nothing else. Source: harness.md 9.1: no delimiter."""

from fake_harness.delegate.ecs.manifests import ServiceManifests

_SUFFIX = "Canary"


def canary_name(manifests: ServiceManifests) -> str:
    """Return `<service>Canary`."""
    return manifests.service_name + _SUFFIX
