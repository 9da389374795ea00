"""What things look like in the timeline. Two states that can stand side by side differ in lightness or in
pattern, not in hue alone, so that the picture also reads in grey."""

from __future__ import annotations

from fenceline.model.verdict import Verdict

INK, MUTED, FAINT, GRID = "#111111", "#555555", "#9aa3ad", "#dfe3e8"
GOOD_REPLY, FAILED_REPLY, LATENCY = "#2a6f97", "#a31621", "#1b3a57"
FAULT_EDGE, OUTAGE_EDGE, FLAG = "#a9740f", "#111111", "#a31621"

# state -> (fill, stroke, colour of the text on it)
STATES: dict[tuple[str, str], tuple[str, str, str]] = {
    ("power", "on"): ("#5c7287", "#3d4f60", "#ffffff"),
    ("power", "paused"): ("url(#paused)", "#3d4f60", INK),
    ("power", "off"): ("#ffffff", "#111111", INK),
    ("link", "cut"): ("url(#cut)", "#8a5a00", INK),
    ("quorum", "quorate"): ("#a9c5a0", "#5f7f55", INK),
    ("quorum", "inquorate"): ("url(#inquorate)", "#111111", INK),
    ("mount", "yes"): ("#8a6d1f", "#5f4a12", "#ffffff"),
    ("address", "yes"): ("#2f5fa8", "#1d3f74", "#ffffff"),
    ("listen", "yes"): ("#6d5a9c", "#493b6d", "#ffffff"),
    ("drbd", "primary"): ("#7a3b2e", "#52271e", "#ffffff"),
    ("drbd", "secondary"): ("#ead2c8", "#a9806f", INK),
    ("drbd", "behind"): ("url(#inquorate)", "#52271e", INK),
    ("write", "yes"): ("#20262e", "#20262e", "#ffffff"),
    ("answering", "node"): ("#e3ebf2", "#7d90a3", INK),
}

# Dark and light take turns: neighbours stay apart in grey.
PHASES: dict[str, tuple[str, str]] = {
    "detect": ("#27364a", "#ffffff"),
    "quorum": ("#d5dfe9", INK),
    "fence": ("#8f3524", "#ffffff"),
    "storage": ("#f2d7a8", INK),
    "vip": ("#22635a", "#ffffff"),
    "service": ("#cfe6d2", INK),
    "first reply": ("#553a86", "#ffffff"),
    "no reply": ("#8c8c8c", INK),
}

VERDICTS: dict[Verdict, tuple[str, str]] = {
    Verdict.PASS: ("#dcefdc", INK),
    Verdict.FAIL: ("#8f1320", "#ffffff"),
    Verdict.UNKNOWN: ("#f0e2b8", INK),
    Verdict.INVALID: ("#f0e2b8", INK),
    Verdict.BROKEN: ("#55505f", "#ffffff"),
}

DEFINITIONS = (
    '<pattern id="fault" width="9" height="9" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="9" height="9" fill="#fbeccb"/><rect width="1.6" height="9" fill="#eccf8e"/></pattern>'
    '<pattern id="faultbar" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="6" height="6" fill="#f0cf87"/><rect width="1.5" height="6" fill="#c58f2b"/></pattern>'
    '<pattern id="paused" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="6" height="6" fill="#f4f6f8"/><rect width="2" height="6" fill="#8fa0b0"/></pattern>'
    '<pattern id="cut" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">'
    '<rect width="7" height="7" fill="#fff4dc"/><rect width="1.4" height="7" fill="#cf9a3a"/></pattern>'
    '<pattern id="inquorate" width="5" height="5" patternUnits="userSpaceOnUse">'
    '<rect width="5" height="5" fill="#ffffff"/><circle cx="2.5" cy="2.5" r="0.9" fill="#8a8a8a"/></pattern>'
)


def phase_style(name: str, index: int) -> tuple[str, str]:
    """Fill and text colour of the phase ``name``, the ``index``-th of its outage."""
    known = PHASES.get(name.lower().replace("_", " "))
    return known or list(PHASES.values())[index % len(PHASES)]
