"""The harness's own look at a fencing device: ipmitool from inside the fabric, like any other client of it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from fenceline.core.errors import HostError
from fenceline.fencing.bmc import USER
from fenceline.model.addressing import bmc_address

if TYPE_CHECKING:
    from fenceline.core.clock import Clock
    from fenceline.model.topology import Topology

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_MARGIN = 10.0  # s that a call may take beyond what the device may


@dataclass(frozen=True, slots=True)
class IpmiAnswer:
    """What ipmitool gave: ``ok`` whether it exited with 0, ``text`` its words, ``seconds`` how long it took."""

    ok: bool
    text: str
    seconds: float


class Asked(Protocol):
    """What must be known of a cluster to ask one of its fencing devices."""

    topology: Topology
    clock: Clock
    fabric: Any
    bmc_password: str


def ask_bmc(cluster: Asked, node: str, *command: str, patience: float = 1.0) -> IpmiAnswer:
    """Asks the BMC of ``node``: ``ask_bmc(cluster, "rs-01", "power", "status")``. A device that does not answer
    within ``patience`` seconds is asked once more.

    Raises:
        HostError: there is no ipmitool on this host.
    """
    # what runs it inside the fabric would only fail, which looks like a device that does not answer
    if shutil.which("ipmitool", path=_PATH) is None:
        raise HostError("ipmitool is not installed: `fenceline doctor` says what installs it")
    begun = cluster.clock.now()
    try:
        done = subprocess.run(
            cluster.fabric.command(["ipmitool", "-I", "lanplus", "-H", str(bmc_address(cluster.topology, node)),
                                    "-U", USER, "-E", "-v", "-N", f"{max(1, round(patience))}", "-R", "2", "chassis",
                                    *command]),
            env={"IPMI_PASSWORD": cluster.bmc_password, "PATH": _PATH},
            capture_output=True, text=True, timeout=2 * patience + _MARGIN, check=False)
    except subprocess.TimeoutExpired:
        return IpmiAnswer(False, "no answer", cluster.clock.now() - begun)
    # -v tells why a login is refused; of a call that went well it tells only ipmitool's own doings
    told = [line.strip("> ") for line in (done.stdout + ("" if done.returncode == 0 else done.stderr)).splitlines()
            if line and not line.startswith(("Loading", "Using best"))]
    return IpmiAnswer(done.returncode == 0, "; ".join(told), cluster.clock.now() - begun)
