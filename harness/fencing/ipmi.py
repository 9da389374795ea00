"""IPMI 2.0 (RMCP+) for one BMC: pyghmi's protocol code on a socket of our own.

pyghmi's own I/O is global to a process and tells sessions apart by the client's address and the BMC's *port*.
With one BMC per node, all on port 623, a client that comes back with the source port it used for another BMC
would be taken for a session of that one: the wrong node would be shot. So nothing of its I/O is used: packets
come from our sockets, and sessions are found by the id that RMCP+ gives them.
"""

from __future__ import annotations

import contextlib
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyghmi.ipmi.bmc import Bmc
from pyghmi.ipmi.private.serversession import ServerSession
from pyghmi.ipmi.private.session import Session

from fenceline.core.clock import Clock

IDLE = 120.0  # s after which a session that was not closed is forgotten
_MOST_SESSIONS = 256
_RMCP_IPMI = b"\x06\x00\xff\x07"
_RMCP_PLUS = 6
_OPEN_SESSION, _RAKP1, _RAKP3 = 0x10, 0x12, 0x14
_HANDSHAKE = {_OPEN_SESSION, _RAKP1, _RAKP3}
_CHASSIS = 0
_STATUS, _CONTROL, _IDENTIFY = 1, 2, 4
_ACTIONS = {0: "off", 1: "on", 2: "cycle", 3: "reset"}
OK, NOT_IN_THIS_STATE, FAILED = 0x00, 0xD5, 0xFF
_UNKNOWN_COMMAND, _BAD_FIELD = 0xC1, 0xCC

#: Called with a completion code and, for status, whether the power is on; in the loop's thread.
Answer = Callable[[int, bool], None]
#: Called in the loop's thread with (action, the client's address, answer); the answer may come later.
Request = Callable[[str, str, Answer], None]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What an answer must repeat of its request. pyghmi keeps only that of the latest one."""

    sequence: int
    requester_lun: int
    requester: int
    netfn: int
    command: int
    data: bytes


class _ServerSession(ServerSession):
    """One client's session. ``last`` is what went out last, for a client that asks again."""

    def __new__(cls, *_: Any) -> _ServerSession:
        return object.__new__(cls)  # pyghmi's takes other arguments than ours

    def __init__(self, endpoint: Endpoint, client: tuple, request: bytes) -> None:
        self.endpoint = endpoint
        self.seen = endpoint.clock.now()
        self.handshake: tuple[bytes, bytes] = (b"", b"")  # the latest packet of it, and our answer
        self.pending: _Asked | None = None
        self.answered: tuple[_Asked, int, list[int]] | None = None
        self.netpacket = b""
        super().__init__(endpoint.passwords, None, client, endpoint.socket, request, endpoint.uuid, endpoint)
        # it has entered itself into pyghmi's global table, which nobody reads here
        Session.bmc_handlers.pop(client, None)

    def _xmit_packet(self, retry: bool = True, delay_xmit: float | None = None,
                     timeout: float | None = None) -> None:
        if self.sequencenumber:
            self.sequencenumber += 1
        self.endpoint.send(bytes(self.netpacket), self.sockaddr)

    def handle_client_request(self, request: dict[str, Any]) -> None:
        if request["netfn"] == 6 and request["command"] in (0x3B, 0x3C):  # set privilege level, close session
            self.clientpriv = getattr(self, "clientpriv", 4)
            super().handle_client_request(request)
            return
        asked = _Asked(self.seqlun, self.rqlun, self.clientaddr, self.clientnetfn, self.clientcommand,
                       bytes(request["data"]))
        if asked == self.pending:
            return  # the client is impatient; the action must not be done twice
        if self.answered is not None and asked == self.answered[0]:
            self.answer(*self.answered)  # our answer was lost
            return
        self.pending = asked
        self.endpoint.dispatch(self, asked, request)

    def answer(self, asked: _Asked, code: int, data: list[int]) -> None:
        """Answers ``asked``, now or later."""
        self.seqlun, self.rqlun, self.clientaddr = asked.sequence, asked.requester_lun, asked.requester
        self.clientnetfn, self.clientcommand = asked.netfn, asked.command
        if self.pending == asked:
            self.pending = None
        self.answered = (asked, code, data)
        self._send_ipmi_net_payload(data=data, code=code)

    def close_server_session(self) -> None:
        self.endpoint.forget(self)


class Endpoint(Bmc):
    """The BMC at the address that ``sock`` (UDP) is bound to. All methods belong to one thread.

    ``passwords`` maps user names to passwords; a change holds for sessions to come.
    """

    def __init__(self, sock: socket.socket, passwords: dict[str, str], request: Request,
                 clock: Clock) -> None:
        # not IpmiServer's: that makes a socket of its own and starts pyghmi's thread
        self.socket = self.serversocket = sock
        self.port = 623
        self.passwords = self.authdata = passwords
        self.uuid = uuid.uuid4()
        self.kg = None
        self.deviceid, self.revision, self.ipmiversion = 0, 0, 2
        self.firmwaremajor, self.firmwareminor, self.additionaldevices = 1, 0, 0
        self.mfgid = self.prodid = 0
        # channel 1, IPMI 2.0 only, users without a name are refused
        self.authcap = bytes((0, 1, 0x80, 0x04, 0x02, 0, 0, 0, 0))
        self._request, self.clock = request, clock
        self._sessions: dict[bytes, _ServerSession] = {}

    def receive(self) -> None:
        """Takes one packet from the socket and answers it. A malformed one is dropped."""
        try:
            packet, client = self.socket.recvfrom(4096, socket.MSG_DONTWAIT)
        except (BlockingIOError, ConnectionRefusedError):  # refused: an ICMP for an earlier answer
            return
        with contextlib.suppress(ValueError, IndexError, KeyError, AttributeError):  # how pyghmi meets noise
            self._take(packet, client)

    def drain(self) -> None:
        """Throws one packet away: a BMC that is not there."""
        with contextlib.suppress(OSError):
            self.socket.recv(4096, socket.MSG_DONTWAIT)

    def send(self, packet: bytes, client: tuple) -> None:
        """Sends ``packet``; one that the network does not take is lost, as UDP's are."""
        with contextlib.suppress(OSError):
            self.socket.sendto(packet, client)

    def forget_all(self) -> None:
        """Drops all sessions."""
        self._sessions.clear()

    def forget(self, session: _ServerSession) -> None:
        """Drops ``session``."""
        self._sessions.pop(bytes(session.managedsessionid), None)

    def dispatch(self, session: _ServerSession, asked: _Asked, request: dict[str, Any]) -> None:
        """Answers a command of an established session."""
        netfn, command, data = request["netfn"], request["command"], request["data"]
        client = session.sockaddr[0]

        def answer(code: int, is_on: bool = False) -> None:
            is_status = command == _STATUS and code == OK
            session.answer(asked, code, [int(is_on), 0, 0] if is_status else [])

        if netfn == _CHASSIS and command == _STATUS:
            self._request("status", client, answer)
        elif netfn == _CHASSIS and command == _CONTROL:
            action = _ACTIONS.get(data[0] & 0x0F) if data else None
            if action is None:  # diagnostic interrupt, soft shutdown
                session.answer(asked, _BAD_FIELD, [])
            else:
                self._request(action, client, answer)
        elif netfn == _CHASSIS and command == _IDENTIFY:
            self._request("identify", client, answer)
        elif netfn == 6 and command == 1:  # get device id
            session.answer(asked, OK, [self.deviceid, self.revision, self.firmwaremajor, self.firmwareminor,
                                       self.ipmiversion, self.additionaldevices, 0, 0, 0, 0, 0])
        else:
            session.answer(asked, _UNKNOWN_COMMAND, [])

    def _take(self, packet: bytes, client: tuple) -> None:
        if len(packet) < 16 or packet[:4] != _RMCP_IPMI:
            return
        kind = packet[5] & 0x3F
        if packet[4] != _RMCP_PLUS or (kind == 0 and packet[6:10] == bytes(4)):
            self.sessionless_data(packet, client)  # what can the channel do?
        elif kind == _OPEN_SESSION:
            self._open(packet, client)
        else:
            # the handshake names our session id in its payload, everything else in its header
            identity = packet[20:24] if kind in _HANDSHAKE else packet[6:10]
            session = self._sessions.get(identity)
            if session is None or session.sockaddr != client:
                return
            session.seen = self.clock.now()
            if kind in _HANDSHAKE:
                self._shake_hands(session, packet)
            else:
                session._handle_ipmi2_packet(bytearray(packet))

    def _open(self, packet: bytes, client: tuple) -> None:
        for session in self._sessions.values():
            if session.sockaddr == client and session.handshake[0] == packet:
                self.send(session.handshake[1], client)
                return
        self._expire()
        session = _ServerSession(self, client, packet[16:])
        session.handshake = (packet, bytes(session.netpacket))
        self._sessions[bytes(session.managedsessionid)] = session

    def _shake_hands(self, session: _ServerSession, packet: bytes) -> None:
        """Asked again, it must get the same answer: a new one would come with a new random number, and the
        client's next step, made from the old one, would be refused."""
        if session.handshake[0] == packet:
            self.send(session.handshake[1], session.sockaddr)
            return
        before = session.netpacket
        session._handle_ipmi2_packet(bytearray(packet))
        if session.netpacket is not before:
            session.handshake = (packet, bytes(session.netpacket))

    def _expire(self) -> None:
        limit = self.clock.now() - IDLE
        for session in sorted(self._sessions.values(), key=lambda item: item.seen):
            if session.seen >= limit and len(self._sessions) < _MOST_SESSIONS:
                break
            self.forget(session)
