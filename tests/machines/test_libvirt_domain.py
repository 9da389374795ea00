"""The domain XML, without libvirt."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from fenceline.machines.libvirt.domain import DomainSettings, domain_xml, interface_xml, is_plugged
from fenceline.machines.protocol import MachineSpec, Nic

HEARTBEAT = Nic("heartbeat", "52:54:00:fe:00:0b", "br0", "t0n0")
SERVICE = Nic("service", "52:54:00:fe:01:0b", "br1", "t0n1")
SPEC = MachineSpec("rs-01", 512 * 2**20, (HEARTBEAT, SERVICE), Path("/f/rs-01.seed"), Path("/f/rs-01"),
                   Path("/c/rs-01.log"), (Path("/f/www.img"),))
SETTINGS = DomainSettings("fl-0-rs-01", "6c9b4d0e-6ac5-5ac4-b9fc-000000000001", "qemu", Path("/i/vmlinuz"),
                          Path("/i/initrd"), Path("/f/rs-01/root.qcow2"), Path("/f/rs-01/agent"))


def parsed(spec=SPEC, **changes):
    return ET.fromstring(domain_xml(spec, replace(SETTINGS, **changes)))


def test_memory_and_one_cpu():
    domain = parsed()
    assert domain.findtext("memory") == str(512 * 1024)
    assert domain.find("memory").get("unit") == "KiB"
    assert domain.findtext("vcpu") == "1"


def test_emulated_guest_has_the_cpu_that_boots_fastest():
    domain = parsed()
    assert domain.get("type") == "qemu"
    assert domain.findtext("cpu/model") == "qemu64"


def test_guest_with_kvm_has_the_hosts_cpu():
    domain = parsed(hypervisor="kvm")
    assert domain.get("type") == "kvm"
    assert domain.find("cpu").get("mode") == "host-passthrough"


def test_boots_the_images_kernel_directly():
    domain = parsed()
    assert domain.findtext("os/kernel") == "/i/vmlinuz"
    assert domain.findtext("os/initrd") == "/i/initrd"
    arguments = domain.findtext("os/cmdline").split()
    assert {"root=/dev/vda", "rw", "console=ttyS0", "unknown_nmi_panic", "panic=0"} <= set(arguments)


def test_no_initrd_where_the_image_has_none():
    assert parsed(initrd=None).find("os/initrd") is None


def test_disks_in_order_with_a_readonly_seed():
    disks = parsed().findall("devices/disk")
    assert [disk.find("target").get("dev") for disk in disks] == ["vda", "vdb", "vdc"]
    assert [disk.find("source").get("file") for disk in disks] == [
        "/f/rs-01/root.qcow2", "/f/rs-01.seed", "/f/www.img"]
    assert [disk.find("driver").get("type") for disk in disks] == ["qcow2", "raw", "raw"]
    assert [disk.find("readonly") is not None for disk in disks] == [False, True, False]


def test_cards_use_the_fabrics_taps():
    cards = parsed().findall("devices/interface")
    assert [card.get("type") for card in cards] == ["ethernet", "ethernet"]
    assert [card.find("target").attrib for card in cards] == [
        {"dev": "t0n0", "managed": "no"}, {"dev": "t0n1", "managed": "no"}]
    assert [card.find("mac").get("address") for card in cards] == [HEARTBEAT.mac, SERVICE.mac]


def test_console_and_agent_are_the_two_serial_ports():
    ports = parsed().findall("devices/serial")
    assert [port.find("source").get("path") for port in ports] == ["/c/rs-01.log", "/f/rs-01/agent"]
    assert [port.find("source").get("append") for port in ports] == ["on", "on"]
    assert [port.find("target").get("port") for port in ports] == ["0", "1"]


def test_a_panicked_guest_is_kept_and_has_a_panic_device():
    domain = parsed()
    assert domain.findtext("on_crash") == "preserve"
    assert domain.find("devices/panic") is not None


@pytest.mark.parametrize("unplugged", [frozenset(), frozenset({"service"}), frozenset({"service", "heartbeat"})])
def test_a_cable_that_is_out_is_out_from_the_start(unplugged):
    xml = domain_xml(SPEC, replace(SETTINGS, unplugged=unplugged))
    for nic in SPEC.nics:
        assert is_plugged(xml, nic.mac) is (nic.network not in unplugged)


def test_no_such_card():
    assert is_plugged(domain_xml(SPEC, SETTINGS), "52:54:00:00:00:00") is None


def test_a_card_alone_is_the_card_of_the_domain_with_another_link():
    alone = ET.fromstring(interface_xml(HEARTBEAT, plugged=False))
    assert alone.find("link").get("state") == "down"
    alone.find("link").set("state", "up")
    assert ET.tostring(alone) == ET.tostring(parsed().find("devices/interface"))
