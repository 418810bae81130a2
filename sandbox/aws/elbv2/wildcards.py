"""Turn ALB's match texts into RE2 patterns; it does no matching itself.

`*` is any run of characters, `?` exactly one; a backslash takes the next one literally.
Source: ELBv2 guide, "Condition types for listener rules".
"""

import ipaddress
import re

_ANY = "."


def glob(pattern: str, *, any_character: str = _ANY) -> str:
    """Return the regular expression of one wildcard text."""
    out: list[str] = []
    escaped = False
    for character in pattern:
        if escaped:
            out.append(re.escape(character))
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "*":
            out.append(f"{any_character}*")
        elif character == "?":
            out.append(any_character)
        else:
            out.append(re.escape(character))
    if escaped:
        out.append(re.escape("\\"))
    return "".join(out)


def any_of(patterns: list[str]) -> str:
    """Return a pattern that matches where one of `patterns` does."""
    return "(?:" + "|".join(patterns) + ")"


def cidr(block: str) -> str:
    """Return a pattern over an address's text that matches a CIDR block.

    Envoy's route matching has no address matcher, but a header may carry the address. An
    IPv6 block other than a single address never matches: its text has too many forms.
    """
    network = ipaddress.ip_network(block, strict=False)
    if network.version == 6:
        single = network.prefixlen == 128
        return re.escape(str(network.network_address)) if single else "[^\\s\\S]"
    return r"\.".join(
        _octet(octet, max(0, min(8, network.prefixlen - 8 * position)))
        for position, octet in enumerate(network.network_address.packed)
    )


def _octet(octet: int, fixed_bits: int) -> str:
    if fixed_bits == 8:
        return str(octet)
    if fixed_bits == 0:
        return "[0-9]+"
    return any_of([str(value) for value in range(octet, octet + (1 << (8 - fixed_bits)))])
