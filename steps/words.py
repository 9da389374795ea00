"""How the words of a step become values."""

from __future__ import annotations

from pytest_bdd import parsers

#: A role or a node's name: "the active node", "the standby", "node rs-01".
NODE = r"(?P<node>the [a-z][A-Za-z0-9 ]*?|(?:the )?node \"?[A-Za-z0-9-]+\"?)"
NUMBER = r"\d+(?:\.\d+)?"
SECONDS = rf"(?P<seconds>{NUMBER}) seconds?"
SERVICE = r'"(?P<service>[^"]+)"'
_WORDS = {
    "node": NODE, "other": NODE.replace("?P<node>", "?P<other>"), "seconds": SECONDS, "service": SERVICE,
    "daemon": r'"(?P<daemon>[^"]+)"', "network": r"(?P<network>heartbeat|service|storage|management)"}


def phrase(text: str) -> parsers.re:
    """A step's pattern, in which <node>, <other>, <seconds>, <service>, <daemon> and <network> stand for those
    words."""
    for word, pattern in _WORDS.items():
        text = text.replace(f"<{word}>", pattern)
    return parsers.re(text + "$")
