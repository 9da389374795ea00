"""Where everything is: names of machines, networks and addresses of a cluster that was handed over, as they are there
wherever the fabric can have them."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from fenceline.accept.cibview import Primitive
from fenceline.accept.fate import Fates
from fenceline.accept.original import Original, nodes_of
from fenceline.importers.blocks import Directive
from fenceline.importers.draft import identifier
from fenceline.model.units import format_duration

QUORUM_HOST = "quorum-host"
_ELSEWHERE = ipaddress.IPv4Network("192.168.99.0/24")
#: Number of the first machine in a network of ours, where an address has to make room.
_ROOM = 200
_HELPERS = range(41, 52)  # storage hosts and the quorum device have these, see model/addressing.py


class Layout:
    """``names`` {member as the cluster has it: its machine}."""

    def __init__(self, original: Original, fates: Fates) -> None:
        self._original, self._fates = original, fates
        self.names = self._names()
        self._nodes = {self._name_of(node): node for node in (nodes_of(original.corosync) if original.corosync else ())}
        self.service: ipaddress.IPv4Network | None = None
        self.device: str | None = None
        self._vips: dict[str, ipaddress.IPv4Address] = {}
        self.moved: dict[str, ipaddress.IPv4Address] = {}
        #: {id of an IPaddr2: the card that is made for it, or "" where its own name of one can't be had}
        self.cards: dict[str, str] = {}
        self.rings = self._rings()

    def _names(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in self._original.members:
            short = name if re.fullmatch(r"[\d.]+|.*:.*", name) else name.split(".")[0]
            machine = identifier(short, "node")
            while machine in (*found.values(), "client", QUORUM_HOST, "storage-host", "nfs-server"):
                machine = f"{machine[:28]}-x"
            found[name] = machine
            if machine != name and self._original.cib is not None and name in self._original.cib.nodes:
                self._fates.say(self._original.cib.at(self._original.cib.nodes[name]), "stood in",
                                f"the machine of {name} is called {machine}, in the CIB and in corosync.conf too")
        return found

    def machine(self, name: str) -> str | None:
        """The machine that the cluster calls ``name``, short or in full."""
        if name in self.names:
            return self.names[name]
        short = [own for other, own in self.names.items() if other.split(".")[0] == name.split(".")[0]]
        return short[0] if len(short) == 1 else None

    def _name_of(self, node: Directive) -> str:
        values = {one.name.rstrip(":"): one.value for one in node.body or ()}
        for word in ("name", "ring0_addr", "ring1_addr"):
            told = values.get(word, "")
            if told in self._original.members:
                return told
            short = [name for name in self._original.members if told and name.split(".")[0] == told.split(".")[0]]
            if len(short) == 1 and not re.fullmatch(r"[\d.]+", told):
                return short[0]
        number = values.get("nodeid", "")
        cib = self._original.cib
        return next((name for name, one in cib.nodes.items() if one.get("id") == number), "") if cib else ""

    def _rings(self) -> list[tuple[ipaddress.IPv4Network | None, dict[str, ipaddress.IPv4Address]]]:
        """A network and the members' addresses of each link; None where its own can't be had."""
        count = max((len({one.name for one in node.body or () if re.fullmatch(r"ring\d+_addr:?", one.name)})
                     for node in self._nodes.values()), default=1)
        found: list[tuple[ipaddress.IPv4Network | None, dict[str, ipaddress.IPv4Address]]] = []
        for ring in range(max(1, min(count, 8))):
            told = {name: address for name, node in self._nodes.items()
                    if (address := _ipv4(_value(node, f"ring{ring}_addr"))) is not None}
            networks = {ipaddress.IPv4Network(f"{address}/24", strict=False) for address in told.values()}
            network = networks.pop() if len(networks) == 1 and told.keys() == self.names.keys() else None
            if network is not None and (not network.is_private or any(network == other for other, _ in found)
                                        or len(set(told.values())) < len(told)):
                network = None
            found.append((network, told if network else {}))
        return found

    def vip(self, one: Primitive) -> ipaddress.IPv4Address | None:
        """The floating address of ``one``; None, said, where no network of the clients has it."""
        text = one.value("ip").split("/")[0]
        place = one.parameters.get("ip", ("", one.place))[1]
        address = _ipv4(text)
        if address is None:
            self._fates.say(place, "left out", f"{one.id}: {text or 'no address'}: not watched (IPv4 only); it is run")
            return None
        network = ipaddress.IPv4Network(f"{address}/24", strict=False)
        if self.service is None:
            self.service = network if network.is_private and not network.is_loopback else _ELSEWHERE
            self._card(one)
        if network != self.service and not network.is_private:
            moved = self.service.network_address + (int(address) % 256 or 254)
            self.moved[one.id] = moved
            self._fates.say(place, "stood in", f"{address} becomes {moved}: a public address, which the "
                                               "fabric's clients have no network for")
            address = moved
        elif network != self.service:
            self._second_card(one, place)
            return None
        if address in self._vips.values() or int(address) % 256 in (0, 255):
            self._fates.say(place, "left out", f"{one.id}: {address} is there twice, or is no host's")
            return None
        self._vips[one.id] = address
        return address

    def _card(self, one: Primitive) -> None:
        nic = one.value("nic")
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,14}", nic) and not re.fullmatch(r"eth\d+|lo", nic):
            self.device = nic
        elif nic:
            self.cards[one.id] = ""

    def _second_card(self, one: Primitive, place: str) -> None:
        nic = one.value("nic")
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,14}", nic) and not re.fullmatch(r"eth\d+|lo", nic) \
                and nic != self.device:
            self.cards[one.id] = nic
            self._fates.say(place, "stood in", f"{one.id}: on a card {nic} that nobody is plugged into: clients are in "
                                               f"{self.service} only")
        else:
            self.cards[one.id] = ""
            self._fates.say(place, "stood in", f"{one.id}: it moves along; clients are in {self.service} only")

    def addresses(self, member: str) -> dict[str, str]:
        """What the machine of ``member`` has in networks where its number alone does not give it."""
        found = {self._link(index): str(told[member]) for index, (network, told) in enumerate(self._used())
                 if network is not None}
        index = list(self.names).index(member)
        service = self.service or _ELSEWHERE
        usual = service.network_address + 11 + index
        taken = {int(address) % 256 for address in self._vips.values()}
        if int(usual) % 256 in taken or taken & {11 + number for number in range(len(self.names))}:
            free = [number for number in range(_ROOM, 250) if number not in taken]
            found["service"] = str(service.network_address + free[index])
        return found

    def _used(self) -> list[tuple[ipaddress.IPv4Network | None, dict[str, ipaddress.IPv4Address]]]:
        """The rings; one that is in the clients' network has a network of its own here."""
        service = self.service or _ELSEWHERE
        return [(None, {}) if network is not None and network.overlaps(service) else (network, told)
                for network, told in self.rings]

    def _link(self, index: int) -> str:
        return "heartbeat" if len(self.rings) == 1 else f"heartbeat-{index + 1}"

    def networks(self, has_storage: bool) -> dict[str, Any]:
        """All of them."""
        service = self.service or _ELSEWHERE
        rings = self._used()
        own = [service, *(network for network, _ in rings if network is not None)]
        base = next(number for number in range(90, 250)
                    if not any(ipaddress.IPv4Network(f"10.{number}.0.0/16").overlaps(network) for network in own))
        found: dict[str, Any] = {}
        if has_storage:
            found["storage"] = {"role": "storage", "subnet": f"10.{base}.3.0/24"}
        found["service"] = {"role": "service", "subnet": str(service)}
        if self.device:
            found["service"]["device"] = self.device
        for index, (network, _) in enumerate(rings):
            found[self._link(index)] = {"role": "heartbeat", "subnet": str(network or f"10.{base}.{10 + index}.0/24")}
            if network is None and self.rings[index][0] is not None:
                for node in self._nodes.values():
                    line = next((one.line for one in node.body or () if one.name == f"ring{index}_addr"), node.line)
                    self._fates.say(self._original.corosync.source.at(line), "stood in",
                                    f"link {index} has a network of its own here: the clients' one can be cut alone")
        found["management"] = {"role": "management", "subnet": f"10.{base}.4.0/24"}
        return found

    def timing(self) -> dict[str, str]:
        """token and consensus as corosync comes to them: what the judge goes by."""
        corosync = self._original.corosync
        told = corosync.last("totem", "token") if corosync else None
        token = int(told.value) / 1000 if told and re.fullmatch(r"[1-9]\d{0,6}", told.value) else 3.0
        coefficient = corosync.last("totem", "token_coefficient") if corosync else None
        each = int(coefficient.value) / 1000 if coefficient and re.fullmatch(r"\d{1,6}", coefficient.value) else 0.65
        whole = max(0.1, token + each * max(0, len(self.names) - 2))
        waits = corosync.last("totem", "consensus") if corosync else None
        found = {"token": format_duration(round(whole, 3))}
        if waits and re.fullmatch(r"[1-9]\d{0,6}", waits.value):
            found["consensus"] = format_duration(int(waits.value) / 1000)
        return found


def _value(node: Directive, word: str) -> str:
    told = [one for one in node.body or () if one.name.rstrip(":") == word]
    return told[-1].value if told else ""


def _ipv4(text: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        return None
