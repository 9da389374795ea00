"""What ping says, and what netem's faults make of it."""

from __future__ import annotations

import pytest

from fenceline.faults import make_fault
from fenceline.guest.ping import Ping, parse_ping

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
    assert ping == Ping(5, 4, 1, 1, 16.562, 8.035, gaps=1)
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
    ("packet-loss-bursts", {"percent": 20, "burst": 4}, Ping(1000, 790, 0, 0, 0.3, 0.1, gaps=51)),
    ("packet-hold", {"period": "400ms"}, Ping(100, 100, 0, 0, 210.0, 118.0)),
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


@pytest.mark.parametrize("ping", [
    Ping(1000, 800, 0, 0, 0.3, 0.1, gaps=165),  # as much, but one by one
    Ping(1000, 950, 0, 0, 0.3, 0.1, gaps=12),  # in a row, but too little
    Ping(1000, 300, 0, 0, 0.3, 0.1, gaps=150)])
def test_loss_that_is_not_what_was_asked_for(ping):
    assert make_fault("packet-loss-bursts", node="rs-01", network="heartbeat", percent=20, burst=4)._shows(ping) is None


def test_gilberts_chances():
    """Bad for 1/recovers packets, and for a share of fails/(fails + recovers) of the time."""
    fault = make_fault("packet-loss-bursts", node="rs-01", network="heartbeat", percent=20, burst=4)
    fails, recovers = fault._chances()
    assert recovers == 0.25 and fails / (fails + recovers) == pytest.approx(0.2)


def test_a_delay_is_no_hold():
    assert make_fault("packet-hold", node="rs-01", network="heartbeat", period="400ms")._shows(
        Ping(100, 100, 0, 0, 210.0, 3.0)) is None


@pytest.mark.parametrize(("lost", "gaps"), [((), 0), ((1,), 1), ((1, 2, 3), 1), ((2, 4), 2), ((5,), 1)])
def test_gaps(lost, gaps):
    lines = [f"64 bytes from 10.0.0.1: icmp_seq={n} ttl=64 time=1 ms" for n in range(1, 6) if n not in lost]
    ping = parse_ping("\n".join([*lines, f"5 packets transmitted, {len(lines)} received, 0% packet loss, time 20ms"]))
    assert ping.gaps == gaps
