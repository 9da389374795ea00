"""How the words of a step become values."""

from __future__ import annotations

from pytest_bdd import parsers

#: A role or a node's name: "the active node", "the standby", "node rs-01".
NODE = r"(?P<node>the [a-z][A-Za-z0-9 ]*?|(?:the )?node \"?[A-Za-z0-9-]+\"?)"
SECONDS = r"(?P<seconds>\d+(?:\.\d+)?) seconds?"
SERVICE = r'"(?P<service>[^"]+)"'


def phrase(text: str) -> parsers.re:
    """A step's pattern, in which <node>, <other>, <seconds>, <service> and <network> stand for those words."""
    pattern = (text.replace("<node>", NODE).replace("<other>", NODE.replace("?P<node>", "?P<other>"))
               .replace("<seconds>", SECONDS).replace("<service>", SERVICE)
               .replace("<network>", r"(?P<network>heartbeat|service|storage|management)"))
    return parsers.re(pattern + "$")
