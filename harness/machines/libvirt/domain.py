"""The libvirt domain of one machine, as XML: pure functions, so that every choice can be tested without libvirt."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fenceline.machines.protocol import MachineSpec, Nic

#: What runs the guest: QEMU with KVM, QEMU emulating (TCG), or libvirt's fake for unit tests.
Hypervisor = Literal["kvm", "qemu", "test"]

#: What the guest's kernel is told. ``unknown_nmi_panic`` is how ``panic`` is done from outside; ``panic=0`` keeps
#: a node that panicked dead; ``net.ifnames=0`` keeps eth0, eth1, ... in the order of the cards.
KERNEL_ARGUMENTS = ("root=/dev/vda", "rootfstype=ext4", "rw", "console=ttyS0", "net.ifnames=0", "panic=0",
                    "unknown_nmi_panic", "mitigations=off", "quiet")


@dataclass(frozen=True, slots=True)
class DomainSettings:
    """What a domain needs besides its ``MachineSpec``. ``agent`` is the FIFO that the guest's second serial port
    (/dev/ttyS1) is written to; ``unplugged`` the networks whose cable is out when the machine starts."""

    name: str
    uuid: str
    hypervisor: Hypervisor
    kernel: Path
    initrd: Path | None
    overlay: Path
    agent: Path
    emulator: str = "/usr/bin/qemu-system-x86_64"
    unplugged: frozenset[str] = frozenset()


def domain_xml(spec: MachineSpec, settings: DomainSettings) -> str:
    """The transient domain that runs ``spec``."""
    domain = ET.Element("domain", type=settings.hypervisor)
    _text(domain, "name", settings.name)
    _text(domain, "uuid", settings.uuid)
    _text(domain, "memory", str(spec.memory // 1024), unit="KiB")
    _text(domain, "vcpu", "1")
    _boot(domain, settings)
    if settings.hypervisor != "test":
        features = ET.SubElement(domain, "features")
        ET.SubElement(features, "acpi")
        ET.SubElement(features, "apic")
        _cpu(domain, settings.hypervisor)
        ET.SubElement(domain, "clock", offset="utc")
    # a halted guest is off; a panicked one is kept, so that it can't be mistaken for one that rebooted
    _text(domain, "on_poweroff", "destroy")
    _text(domain, "on_reboot", "restart")
    _text(domain, "on_crash", "preserve")
    devices = ET.SubElement(domain, "devices")
    if settings.hypervisor != "test":
        _text(devices, "emulator", settings.emulator)
    _disks(devices, spec, settings)
    for nic in spec.nics:
        devices.append(_interface(nic, nic.network not in settings.unplugged))
    _serial_file(devices, 0, spec.console)
    _serial_file(devices, 1, settings.agent)
    if settings.hypervisor != "test":
        _rest(devices)
    return ET.tostring(domain, encoding="unicode")


def interface_xml(nic: Nic, plugged: bool) -> str:
    """The card ``nic`` alone, with its cable in or out: what ``virDomainUpdateDeviceFlags`` wants."""
    return ET.tostring(_interface(nic, plugged), encoding="unicode")


def is_plugged(live_xml: str, mac: str) -> bool | None:
    """Whether the card with the address ``mac`` has its cable in, in a running domain's XML; None: no such card."""
    for interface in ET.fromstring(live_xml).iterfind("devices/interface"):
        address = interface.find("mac")
        if address is not None and address.get("address", "").lower() == mac.lower():
            link = interface.find("link")
            return link is None or link.get("state") != "down"
    return None


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes)
    element.text = text
    return element


def _boot(domain: ET.Element, settings: DomainSettings) -> None:
    boot = ET.SubElement(domain, "os")
    if settings.hypervisor == "test":
        _text(boot, "type", "hvm")
        return
    _text(boot, "type", "hvm", arch="x86_64", machine="pc")
    _text(boot, "kernel", str(settings.kernel))
    if settings.initrd is not None:
        _text(boot, "initrd", str(settings.initrd))
    _text(boot, "cmdline", " ".join(KERNEL_ARGUMENTS))


def _cpu(domain: ET.Element, hypervisor: Hypervisor) -> None:
    if hypervisor == "kvm":
        ET.SubElement(domain, "cpu", mode="host-passthrough", check="none")
        return
    # emulated: the plain model boots faster than "max"; rdrand saves the guest a wait for entropy
    cpu = ET.SubElement(domain, "cpu", mode="custom", match="exact", check="none")
    _text(cpu, "model", "qemu64", fallback="allow")
    ET.SubElement(cpu, "feature", policy="require", name="rdrand")


def _disks(devices: ET.Element, spec: MachineSpec, settings: DomainSettings) -> None:
    paths = [(settings.overlay, "qcow2", False), (spec.seed, "raw", True)]
    paths += [(path, "raw", False) for path in spec.disks]
    for number, (path, form, readonly) in enumerate(paths):
        disk = ET.SubElement(devices, "disk", type="file", device="disk")
        # "unsafe" skips fsync on the *host*; what the guest flushed has still left QEMU for the host's page cache,
        # so it survives our power cut, which kills QEMU and not the host
        ET.SubElement(disk, "driver", name="qemu", type=form, cache="unsafe")
        ET.SubElement(disk, "source", file=str(path))
        ET.SubElement(disk, "target", dev=f"vd{chr(ord('a') + number)}", bus="virtio")
        if readonly:
            ET.SubElement(disk, "readonly")


def _interface(nic: Nic, plugged: bool) -> ET.Element:
    interface = ET.Element("interface", type="ethernet")
    ET.SubElement(interface, "mac", address=nic.mac)
    # the tap is the fabric's, made and plugged into its bridge before: libvirt only opens it
    ET.SubElement(interface, "target", dev=nic.tap, managed="no")
    ET.SubElement(interface, "model", type="virtio")
    # QEMU itself moves the packets: vhost would be a kernel thread that a paused or killed QEMU does not stop at once
    ET.SubElement(interface, "driver", name="qemu")
    ET.SubElement(interface, "link", state="up" if plugged else "down")
    ET.SubElement(interface, "rom", enabled="no")
    return interface


def _serial_file(devices: ET.Element, port: int, path: Path) -> None:
    serial = ET.SubElement(devices, "serial", type="file")
    ET.SubElement(serial, "source", path=str(path), append="on")
    target = ET.SubElement(serial, "target", port=str(port), type="isa-serial")
    ET.SubElement(target, "model", name="isa-serial")


def _rest(devices: ET.Element) -> None:
    ET.SubElement(devices, "controller", type="usb", model="none")
    video = ET.SubElement(devices, "video")
    ET.SubElement(video, "model", type="none")
    ET.SubElement(devices, "memballoon", model="none")
    rng = ET.SubElement(devices, "rng", model="virtio")
    _text(rng, "backend", "/dev/urandom", model="random")
    # tells libvirt of a panic where the guest has loaded pvpanic
    ET.SubElement(devices, "panic", model="isa")
