"""Real kernels in a virtual world: two guests that ping each other, twice the same. Needs the guest image and the built
kernel (``fenceline kernel build``)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from fenceline.guest.seed import Seed
from fenceline.machines.image import find_image
from fenceline.machines.virtual.build import find_kernel
from fenceline.machines.virtual.calendar import Calendar
from fenceline.machines.virtual.clock import EPOCH
from fenceline.machines.virtual.console import Console
from fenceline.machines.virtual.disk import Disk, Medium
from fenceline.machines.virtual.machine import Kernel
from fenceline.machines.virtual.nic import NetworkCard
from fenceline.machines.virtual.seeded import seed_of, seeded_library
from fenceline.machines.virtual.switch import LATENCY, Switch

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_kernel() is None or find_image() is None,
                                                   reason="needs the image and the virtual machines' kernel")]
_UNIT = """[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/bash -c 'exec /etc/fenceline/talk.sh >/dev/hvc0 2>&1'
"""
SECOND = 10**9


@pytest.fixture
def folder():
    made = Path(tempfile.mkdtemp(prefix="fl-", dir="/dev/shm"))  # short, for sockets
    yield made
    shutil.rmtree(made)


class World:
    """Two guests at a switch; ``said`` is what the first one's script says, with its time."""

    def __init__(self, folder: Path, script: str, seed: int = 1) -> None:
        folder.mkdir()
        self.calendar = Calendar(folder / "clock", EPOCH)
        self.calendar.lookahead = LATENCY - 1
        self.said: list[tuple[int, str]] = []
        self.kernels = []
        switch, image = Switch(self.calendar, "lan"), find_image()
        for number, name in enumerate(("one", "two"), 1):
            guest = Seed(setup=["ip link set lo up", "ip link set eth0 up", f"ip addr add 10.0.0.{number}/24 dev eth0"])
            guest.add("/etc/fenceline/talk.sh", "#!/bin/bash\n" + (script if number == 1 else "sleep 1000\n"), 0o755)
            guest.add("/etc/systemd/system/talk.service", _UNIT)
            guest.units.append("talk.service")
            guest.write(folder / f"{name}.seed")
            home = folder / name
            home.mkdir()
            devices = [Disk(self.calendar, f"{name}.vda", home / "vda", Medium(image.rootfs)),
                       Disk(self.calendar, f"{name}.vdb", home / "vdb", Medium(folder / f"{name}.seed")),
                       NetworkCard(self.calendar, f"{name}.lan", home / "lan", switch, f"52:54:00:00:00:0{number}"),
                       Console(self.calendar, f"{name}.hvc0", home / "hvc0", self._heard)]
            self.kernels.append(Kernel(self.calendar, find_kernel().binary, name, number, home, home / "console",
                                       devices, 256 << 20))
        for kernel in self.kernels:
            kernel.power_on({"LD_PRELOAD": str(seeded_library()),
                             "FENCELINE_SEED": str(seed_of(seed, kernel.name, 1))}, lambda: None)

    def _heard(self, data: bytes) -> None:
        self.said.append((self.calendar.now, data.decode(errors="replace")))

    def until(self, words: str, seconds: float) -> None:
        end = self.calendar.now + int(seconds * SECOND)
        while words not in "".join(text for _, text in self.said):
            assert self.calendar.now < end, (words, self.said)
            self.calendar.run_until(self.calendar.now + SECOND // 10)

    def close(self) -> None:
        for kernel in self.kernels:
            kernel.power_off()
            for device in kernel.devices:
                device.close()
        self.calendar.close()


def test_two_guests_talk_and_do_so_twice_in_the_same_course(folder):
    def course(name):
        world = World(folder / name, "sleep 2; ping -c 10 -i 0.5 10.0.0.2; date +%s; echo the end\n")
        try:
            world.until("the end", 30)
            return world.calendar.steps, world.calendar.digest, world.said
        finally:
            world.close()
    steps, digest, said = course("a")
    text = "".join(part for _, part in said)
    assert "10 packets transmitted, 10 received, 0% packet loss" in text
    assert "time=0.2" in text  # twice the switch's latency
    assert f"\n{EPOCH // SECOND + 6}" in text.replace("\r", "")
    assert course("b") == (steps, digest, said)


def test_what_was_flushed_outlives_a_power_cut_and_what_was_not_does_not(folder):
    script = ("if [ -e /root/kept ]; then ls /root/kept /root/lost; echo looked; else "
              "echo a >/root/kept; sync; sleep 1; echo b >/root/lost; echo written; fi\n")
    world = World(folder / "a", script)
    try:
        world.until("written", 30)
        one = world.kernels[0]
        one.power_off()
        assert sum(disk.lose_cache() for disk in one.disks()) >= 0
        one.power_on({}, lambda: None)
        world.until("looked", 30)
        text = "".join(part for _, part in world.said)
        assert "/root/kept" in text and "cannot access '/root/lost'" in text
    finally:
        world.close()
