"""How long fencing takes, device by device, and whom a delay protects."""

from __future__ import annotations

import re

from fenceline.accept.cibview import Primitive, seconds
from fenceline.accept.original import Original

#: Agents that ask a manager elsewhere, with a login of some seconds (s) before each command.
_LOGINS = {"fence_vmware_rest": 5.0, "fence_vmware_soap": 10.0, "fence_vmware": 10.0, "fence_aws": 10.0,
           "fence_gce": 10.0, "fence_azure_arm": 20.0, "fence_rhevm": 5.0, "fence_openstack": 10.0,
           "external/vcenter": 10.0}
_LOGIN = 1.0
#: What a machine needs to go off and on (s), once it is told, as server boards do.
_SWITCHING = {"ipmi": 8.0, "pdu": 8.0}
_SBD = ("external/sbd", "fence_sbd")


def hosts(device: Primitive) -> list[str]:
    """The nodes that the device says it fences."""
    for name in ("pcmk_host_list", "hostlist", "hostname", "nodename"):
        text = device.value(name)
        if text:
            return [host for host in re.split(r"[ ,;\s]+", text) if host]
    pairs = re.split(r"[;\s]+", device.value("pcmk_host_map"))
    return list(dict.fromkeys(re.split(r"[:=]", pair)[0] for pair in pairs if pair))


def delays(original: Original) -> dict[str, float]:
    """For how long the fencing of each member is put off (s): the longest of those of its devices."""
    found = dict.fromkeys(original.members, 0.0)
    for device in original.cib.devices if original.cib else ():
        text = device.value("pcmk_delay_base") or device.value("delay")
        told: dict[str, float] = {}
        if ":" in text:
            for one in re.split(r"[;,\s]+", text.strip()):
                host, _, wait = one.partition(":")
                told[host] = seconds(wait) or 0.0
        else:
            # one delay for several nodes tells none of them from the others
            told = dict.fromkeys(hosts(device) or found, seconds(text) or 0.0)
        for host, wait in told.items():
            if host in found:
                found[host] = max(found[host], wait)
    return found


def is_sbd(device: Primitive) -> bool:
    """Whether the device is poison pills."""
    return device.type in _SBD


def msgwait(original: Original) -> float | None:
    """What the disks' headers say (s); None where nobody handed them over."""
    told = [float(values["msgwait"].value) for _, values in original.sbd_dump if "msgwait" in values]
    return max(told) if told else None


def fencing_seconds(original: Original, device: Primitive) -> tuple[float, str]:
    """(the least that a reboot by ``device`` takes in s, how that comes about)."""
    if is_sbd(device):
        wait = msgwait(original) or 10.0
        return round(1.2 * wait, 2), f"1.2 x msgwait {wait:g} s"
    login = _LOGINS.get(device.type, _LOGIN)
    wait = seconds(device.value("power_wait", "0")) or 0.0
    sum_ = f"power_wait {wait:g} s after off and again after on, two logins of {login:g} s" if wait else (
        f"two commands of {login:g} s")
    return 2 * wait + 2 * login, sum_


def usual_fencing(original: Original) -> tuple[float, str]:
    """(how long the fencing of a node usually takes in s, how that comes about), for the failover budget."""
    devices = original.cib.devices if original.cib else []
    if any(is_sbd(one) for one in devices):
        wait = msgwait(original)
        return (wait, "msgwait") if wait else (10.0, "msgwait, which nobody told: 10 s assumed")
    if not devices:
        return 0.0, "no fencing"
    needs = max(fencing_seconds(original, one)[0] for one in devices)
    return needs + _SWITCHING["ipmi"], "the slowest device, and a server that goes off and on"
