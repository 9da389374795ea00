"""The reference page of the faults, made from the code:
``python -m fenceline.steps.fault_reference > docs/faults.md``."""

from __future__ import annotations

import dataclasses
import re
import sys

from fenceline.commands.faults import parameter_help
from fenceline.faults import FAULTS
from fenceline.scenario.needs import injected
from fenceline.steps.fault_evidence import load, words
from fenceline.steps.reference import load_steps, read

#: By module: title, where its faults are made, and what undoes them.
FAMILIES = {
    "fencing": ("Fencing", "outside: in the virtual BMC", "the BMC behaves again; a node that was shot is switched on"),
    "watchdog": ("Fencing, watchdog", "inside: by way of the watchdog that SBD has open",
                 "the timeout is set back; a reset does it too"),
    "partition": ("Network, shape", "outside: rules between the switch's ports", "the rules are deleted"),
    "network": ("Network, cables and loss", "outside: rules on the switch's ports", "the rules are deleted"),
    "interface": ("Network, interfaces", "inside: by the node's own command", "the interface is up again with its "
                  "address; one that was fenced for it boots so"),
    "flap": ("Network, loose contact", "outside: rules on the switch's ports", "it ends, the cables are plugged in"),
    "netem": ("Network, packets, by netem", "outside: in the fabric; inside, where the host has no netem",
              "the queueing discipline is deleted"),
    "traffic": ("Network, packets", "outside: in the fabric", "the queueing discipline or the rules are deleted"),
    "node": ("Node", "outside: the machine's driver", "the machine is resumed, or switched on"),
    "stun": ("Node, standing still for a while", "outside: the machine's driver",
             "the machine is resumed; one that was fenced is switched on"),
    "power": ("Node, stopped and started", "outside: the machine's driver; clean ones by the node's own command",
              "the machine is switched on"),
    "process": ("Process, hanging", "inside", "SIGCONT; a machine that was fenced is switched on"),
    "guest": ("Process and CPU", "inside", "it ends by itself, or the cluster mends it"),
    "resources": ("Resources", "inside", "load is ended, files are removed, limits put back; a reboot does it too"),
    "agents": ("Services that don't do what they are told", "inside", "the agent is its own again, what kept the mount "
               "busy is killed; a reboot does it too"),
    "clock": ("Time", "inside", "the clock is set to the host's, and runs at its rate"),
    "storage": ("Storage", "outside: on the storage host; a session inside", "the target is started, the node logs in"),
    "disk": ("Storage, the disk behind a LUN", "outside: on the storage host, under what it exports",
             "the disk is what it was; what a cache held is written back"),
    "drbd": ("DRBD", "inside: by DRBD's own commands and its fault injection; the link outside, in the fabric",
             "the rule is deleted, the disk attached again, a split brain repaired; DRBD then copies what differs"),
    "nfs": ("Storage, NFS", "on the NFS server; its hang outside: rules on the switch",
            "the server is started, the rules are deleted, the exports put back"),
    "reservation": ("Storage, reservations", "inside: by the nodes' own SCSI commands", "reserved again, or cleared"),
    "address": ("Network service", "outside: in the fabric", "the stranger leaves, the rules are deleted"),
    "names": ("Network service, names", "inside", "the name server that there was, or none; a reboot does it too"),
    "quorum": ("Quorum", "on the quorum device, by corosync's own command, or in the fabric", "the opposite"),
    "admin": ("Administration", "inside: the cluster's own commands", "the opposite command"),
    "software": ("Administration, cluster software", "inside", "the software is started, the file put back"),
}
_HEAD = """\
# Faults

Made by `python -m fenceline.steps.fault_reference`; a test says when it is out of date.
`fenceline fault list` tells the same.

Every fault is written into the journal before it is made, is confirmed by an observation of its effect that does not
come from what made it, and its healing is confirmed too. A fault whose effect is not seen makes the run INVALID. All of
it is in network namespaces and machines that the run itself made: `fenceline reap` removes those, and with them any
fault that a killed run left behind.

What stands after "confirmed on" is what that observation was the last time that the fault was injected into a real
cluster of those machines (`docs/fault-evidence.json`, gathered from run folders by
`python -m fenceline.steps.fault_evidence`). Most faults are made in the fabric, in the BMC or by the guest's
own commands, by the same code whatever the machines are. On libvirt those count in which the machines' driver has a
part (cables, power, pauses): what was
seen there by now
has a line that says so.

Any `When` below can be anchored: `200 ms after fencing starts: the power of the standby is cut`; the moments are
"""


def sentences() -> dict[str, set[str]]:
    """What may be said for each fault: the sentences of the step functions that inject it."""
    found: dict[str, set[str]] = {}
    for context in load_steps():
        if context.type in ("given", "when"):
            for name in injected(context):
                found.setdefault(name, set()).add(f"{context.type.capitalize()} {read(context)}")
    return found


def page() -> str:
    """The whole page."""
    from fenceline.scenario.anchors import MOMENTS
    said, known = sentences(), load()
    lines = [_HEAD + ", ".join(f"`{words}`" for words in MOMENTS) + "."]
    for module, (title, where, undo) in FAMILIES.items():
        members = [cls for cls in FAULTS.values() if cls.__module__ == f"fenceline.faults.{module}"]
        lines += ["", f"## {title}", "", f"Made {where}. Healed: {undo}.", ""]
        for cls in members:
            own = [f"{field.name} ({parameter_help(field) or 'a node of the cluster'}"
                   + (f"; default {field.default:g}" if isinstance(field.default, (int, float)) else
                      f"; default {field.default}" if field.default is not dataclasses.MISSING else "") + ")"
                   for field in dataclasses.fields(cls)]
            first = " ".join((cls.__doc__ or "").split("\n\n")[0].split())
            lines += [f"- **`{cls.name}`**: {re.sub('``', '`', first)}"]
            lines += [f"  - {text}" for text in own]
            lines += [f"  - `{text}`" for text in sorted(said.get(cls.name, ()))]
            lines += [f"  - confirmed on {key.split()[1]} (kernel {seen['kernel']}): {words(seen['evidence'])}"
                      for key, seen in known.items() if key.split()[0] == cls.name]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Prints the page."""
    sys.stdout.write(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
