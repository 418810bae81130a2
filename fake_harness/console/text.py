"""Texts for people: durations, and log lines with their terminal colours as safe HTML."""

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup, escape

_CONTROL = re.compile(
    r"\x1b\[(?P<sgr>[0-9;]*)m"  # colours: kept
    r"|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]|\x1b"
    r"|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]"
)
_STYLES = {"1": "b", "2": "d", "3": "i", "4": "u"}
_ENDS = {"22": ("b", "d"), "23": ("i",), "24": ("u",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One stored line, ready to be shown."""

    time: str
    level: str
    html: Markup

    def render(self) -> Markup:
        """Return the line as one element."""
        return Markup('<div class="line {}"><time>{}</time><span>{}</span></div>').format(
            self.level, self.time, self.html
        )


def log_line(stored: str) -> LogLine:
    """Read a stored NDJSON line; what is no JSON is shown as it is."""
    try:
        fields = json.loads(stored)
        out = str(fields.get("out", "")).rstrip("\n")
        moment, level = str(fields.get("time", "")), str(fields.get("level", "")).lower()
    except (ValueError, AttributeError):
        out, moment, level = stored, "", ""
    command = "command" if out.startswith("+ ") else ""
    return LogLine(
        time=moment[11:19],
        level=level if level in {"warn", "warning", "error", "fatal"} else command,
        html=colours(out),
    )


def plain_log_line(stored: str) -> str:
    """Return the text of a stored line without its colours."""
    try:
        out = str(json.loads(stored).get("out", ""))
    except (ValueError, AttributeError):
        out = stored
    return _CONTROL.sub("", out.rstrip("\n"))


def colours(text: str) -> Markup:
    """Return `text` escaped, its terminal colours as classes, other control codes gone.

    What a carriage return would have overwritten is left out, as a terminal shows it.
    """
    text = text.rstrip("\r").rpartition("\r")[2]
    html = Markup()
    styles: dict[str, None] = {}
    begun = 0
    for match in _CONTROL.finditer(text):
        html += _span(text[begun : match.start()], styles)
        begun = match.end()
        if match["sgr"] is not None:
            _restyle(styles, match["sgr"])
    return html + _span(text[begun:], styles)


def duration(span: timedelta | None) -> str:
    """Return `0.4 s`, `12 s`, `3 min 5 s` or `2 h 10 min`; empty without a span."""
    if span is None:
        return ""
    seconds = max(span.total_seconds(), 0.0)
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def ago(moment: datetime | None, now: datetime) -> str:
    """Return how long ago a moment was, in one unit."""
    if moment is None:
        return "never"
    seconds = int((now - moment).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now" if seconds < 5 else f"{seconds} s ago"


def _span(text: str, styles: dict[str, None]) -> Markup:
    if not text or not styles:
        return escape(text)
    return Markup('<i class="{}">{}</i>').format(" ".join(styles), text)


def _restyle(styles: dict[str, None], codes: str) -> None:
    rest = iter(codes.split(";"))
    for code in rest:
        if code in {"38", "48"}:
            # 256 colours and true colours are not shown; their arguments are skipped.
            for _ in range({"5": 1, "2": 3}.get(next(rest, ""), 0)):
                next(rest, None)
        else:
            _apply(styles, code)


def _apply(styles: dict[str, None], code: str) -> None:
    if code in {"", "0"}:
        styles.clear()
    elif code in _STYLES:
        styles[_STYLES[code]] = None
    elif re.fullmatch(r"[39][0-79]", code):
        for style in [s for s in styles if s.startswith("c")]:
            del styles[style]
        if code != "39":
            styles[f"c{code[1]}"] = None
    for style in _ENDS.get(code, ()):
        styles.pop(style, None)
