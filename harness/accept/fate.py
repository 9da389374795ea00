"""What each line of what was handed over became: kept, stood in for, translated, left out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from fenceline.accept.handed import Handed
from fenceline.accept.original import Original
from fenceline.importers.cibvalues import is_secret

Kind = Literal["kept", "stood in", "translated", "left out"]
_SECRET = re.compile(r"""((?:[\w.-]*(?:passw?|secret|community|token|identity|pwd)[\w.-]*)\s*(?:=|:|\s)\s*["']?)"""
                     r"""([^\s"';>/]+)""", re.IGNORECASE)
_SECRET_PAIR = re.compile(r"""(name="([^"]*)"[^>]*?value=")([^"]*)(")|(value=")([^"]*)("[^>]*?name="([^"]*)")""")
_VRRP_PASS = re.compile(r"(auth_pass\s+)(\S+)")
_AFTER_FLAG = re.compile(r"(\s-p\s+)('[^']*'|\"[^\"]*\"|\S+)")


@dataclass(slots=True)
class Fates:
    """``of`` has what was said of single lines: {(file, line): [(kind, text)]}; ``whole`` of files."""

    of: dict[tuple[str, int], list[tuple[Kind, str]]] = field(default_factory=dict)
    whole: dict[str, tuple[Kind, str]] = field(default_factory=dict)

    def say(self, place: str, kind: Kind, text: str) -> None:
        """Says what became of ``place`` (``name:line``, or a file's name)."""
        name, _, line = place.rpartition(":")
        if name and line.isdigit():
            told = self.of.setdefault((name, int(line)), [])
            if (kind, text) not in told:
                told.append((kind, text))
        else:
            self.whole.setdefault(place, (kind, text))

    def all(self, kind: Kind) -> list[tuple[str, str]]:
        """[(place, text)] of what was said with ``kind``."""
        found = [(name, text) for name, (said, text) in self.whole.items() if said == kind]
        return found + [(f"{name}:{line}", text) for (name, line), told in sorted(self.of.items())
                        for said, text in told if said == kind]

    def lines(self, file: Handed) -> list[tuple[int, str, str, str]]:
        """[(line, its text without secrets, kind, what became of it)] of all lines of ``file`` that say something."""
        usual, why = self.whole.get(file.name, ("kept", "as it is"))
        found = []
        for number, text in enumerate(file.source.text.splitlines(), 1):
            if not text.strip():
                continue
            if text.lstrip()[:1] in ("#", "!") or text.lstrip().startswith("<!--"):
                found.append((number, without_secrets(text), "comment", ""))
                continue
            told = self.of.get((file.name, number))
            found.append((number, without_secrets(text, file.kind), told[0][0] if told else usual,
                          "; ".join(one for _, one in told) if told else why))
        return found


def secrets(original: Original) -> frozenset[str]:
    """Every value in what was handed over that is a password or a key."""
    found: set[str] = set()
    for one in original.cib.primitives if original.cib else ():
        found |= {value for name, (value, _) in one.parameters.items() if is_secret(name)}
    for one in original.authkeys:
        found |= {words[-1] for _, words in one.lines if len(words) > 2}
    for one in original.ha_cf:
        for word, first in (("stonith_host", 4), ("stonith", 3)):
            # the last words are the plugin's own; a password is one of them
            found |= {part for _, words in one.all(word) for part in words[first + 1:] if part not in (
                "lan", "lanplus", "reboot", "power_cycle")}
    for one in original.drbd:
        found |= {told.value for block in one.root.all("common", "resource") for net in block.all("net")
                  for told in net.all("shared-secret")}
    for one in original.keepalived:
        found |= {told.value for block in one.root.all("vrrp_instance") for inner in block.all("authentication")
                  for told in inner.all("auth_pass")}
    for one in original.cluster_conf[1].walk() if original.cluster_conf else ():
        found |= {value for name, value in one.attributes.items() if is_secret(name)}
    return frozenset(value for value in found if len(value) > 2)


def masked(text: str, hidden: frozenset[str]) -> str:
    """``text`` with dots in the place of each of ``hidden``."""
    for value in sorted(hidden, key=len, reverse=True):
        text = re.sub(rf"(?<![\w-]){re.escape(value)}(?![\w-])", "...", text)
    return text


def without_secrets(text: str, kind: str = "") -> str:
    """``text`` with dots in the place of passwords and keys. In a file of the kind ``authkeys``, and behind
    stonith_host, they have no name."""
    if kind == "authkeys" and not text.lstrip().startswith("auth "):
        words = text.split()
        return " ".join([*words[:2], "..."]) if len(words) > 2 else text
    if re.match(r"\s*stonith(_host)?\s", text):
        words = text.split()
        return " ".join(words[:5]) + " ..."

    def pair(match: re.Match[str]) -> str:
        if match[1] is not None:
            return f"{match[1]}...{match[4]}" if is_secret(match[2]) else match[0]
        return f"{match[5]}...{match[7]}" if is_secret(match[8]) else match[0]
    if "nvpair" in text:
        return _SECRET_PAIR.sub(pair, text)
    text = _VRRP_PASS.sub(r"\1...", _AFTER_FLAG.sub(r"\1...", text))
    # corosync's token is a time
    return _SECRET.sub(lambda match: match[0] if match[1].strip(" :=").lower().startswith("token") or re.fullmatch(
        r"\d+", match[2]) and "token" in match[1].lower() else f"{match[1]}...", text)
