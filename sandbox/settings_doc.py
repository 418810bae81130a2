"""Writes docs/settings.md from the settings themselves; it reads no value."""

from sandbox.settings import Settings, variable

_HEAD = """# Settings

Every setting is an environment variable. `sandbox config` prints each with its value and where the
value comes from. The settings with which `sandbox up` started are kept until `sandbox down`, so
later commands need only the same `SANDBOX_HOME` (or the same folder). `sandbox up` refuses a
variable that differs from what the running sandbox has; every other command obeys the variable.

| variable | default | meaning |
|---|---|---|
"""
_TAIL = """
Made from `sandbox/settings.py` by `sandbox config --markdown > docs/settings.md`.
"""


def settings_page() -> str:
    """Return the page: one row a setting."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "none" if field.default is None else f"`{field.default}`"
        shown = default if str(field.default) else "empty"
        rows.append(f"| `{variable(name)}` | {shown} | {field.description} |\n")
    return _HEAD + "".join(rows) + _TAIL
