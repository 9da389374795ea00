"""Faults of the fencing devices themselves: what no other tool injects."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import FaultError
from harness.faults.base import fault
from harness.fencing.bmc import BmcMode
from harness.model.addressing import bmc_address
from harness.stacks.pacemaker.cib import BMC_USER

if TYPE_CHECKING:
    from harness.cluster import Cluster


@fault
@dataclass(frozen=True)
class FenceDeviceDead:
    """The BMC of ``node`` answers nothing."""

    node: str
    name: ClassVar[str] = "fence-device-dead"

    @property
    def targets(self) -> tuple[str, ...]:
        return (self.node,)

    def inject(self, cluster: Cluster) -> None:
        cluster.bmcs.set_mode(self.node, BmcMode.SILENT)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        if self._answers(cluster):
            raise FaultError(f"not confirmed: the BMC of {self.node} still answers ipmitool")
        return {"ipmitool": "no answer"}

    def heal(self, cluster: Cluster) -> None:
        cluster.bmcs.set_mode(self.node, BmcMode.NORMAL)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        if not self._answers(cluster):
            raise FaultError(f"the BMC of {self.node} does not answer ipmitool")
        return {"ipmitool": "answers"}

    def _answers(self, cluster: Cluster) -> bool:
        address = str(bmc_address(cluster.topology, self.node))
        try:
            done = subprocess.run(
                cluster.fabric.command(["ipmitool", "-I", "lanplus", "-H", address, "-U", BMC_USER, "-E", "-N", "1",
                                        "-R", "2", "chassis", "power", "status"]),
                env={"IPMI_PASSWORD": cluster.bmc_password, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
                capture_output=True, timeout=15, check=False)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0
