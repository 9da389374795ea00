"""What ping says, and what netem's faults make of it."""

from __future__ import annotations

import pytest

from harness.faults import make_fault
from harness.guest.ping import Ping, parse_ping

RECORDED = """\
PING 10.71.1.12 (10.71.1.12) 56(84) bytes of data.
64 bytes from 10.71.1.12: icmp_seq=1 ttl=64 time=20.6 ms
64 bytes from 10.71.1.12: icmp_seq=3 ttl=64 time=0.512 ms
64 bytes from 10.71.1.12: icmp_seq=2 ttl=64 time=20.5 ms
64 bytes from 10.71.1.12: icmp_seq=3 ttl=64 time=21.0 ms (DUP!)
64 bytes from 10.71.1.12: icmp_seq=5 ttl=64 time=20.2 ms

--- 10.71.1.12 ping statistics ---
5 packets transmitted, 4 received, +1 duplicates, 20% packet loss, time 20ms
rtt min/avg/max/mdev = 0.512/16.562/21.012/8.035 ms, pipe 4
"""


def test_parse():
    ping = parse_ping(RECORDED)
    assert ping == Ping(5, 4, 1, 1, 16.562, 8.035)
    assert ping.lost_percent == pytest.approx(20)


def test_parse_nobody_there():
    ping = parse_ping("3 packets transmitted, 0 received, 100% packet loss, time 2041ms\n")
    assert ping.mean_ms is None and ping.lost_percent == 100
    with pytest.raises(ValueError, match="not an output of ping"):
        parse_ping("bash: ping: command not found")


QUIET = Ping(200, 200, 0, 0, 0.3, 0.1)


@pytest.mark.parametrize(("name", "parameters", "shown"), [
    ("packet-delay", {"delay": "50ms"}, Ping(200, 200, 0, 0, 51.0, 0.4)),
    ("packet-delay", {"delay": "50ms", "jitter": "10ms"}, Ping(200, 200, 0, 30, 50.0, 9.0)),
    ("packet-duplicate", {"percent": 20}, Ping(200, 200, 44, 0, 0.3, 0.1)),
    ("packet-reorder", {"percent": 30}, Ping(200, 200, 0, 51, 14.0, 9.0)),
    ("packet-corrupt", {"percent": 10}, Ping(200, 183, 0, 0, 0.3, 0.1)),
])
def test_effect_is_seen_and_its_absence_too(name, parameters, shown):
    fault = make_fault(name, node="rs-01", network="heartbeat", **parameters)
    assert fault._shows(shown)
    assert fault._shows(QUIET) is None


def test_delay_without_its_jitter_is_another_delay():
    fault = make_fault("packet-delay", node="rs-01", network="heartbeat", delay="50ms", jitter="10ms")
    assert fault._shows(Ping(200, 200, 0, 0, 51.0, 0.4)) is None


def test_a_quarter_is_not_a_half():
    fault = make_fault("packet-corrupt", node="rs-01", network="heartbeat", percent=50)
    assert fault._shows(Ping(200, 150, 0, 0, 0.3, 0.1)) is None
