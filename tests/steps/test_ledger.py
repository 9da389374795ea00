"""The ledger's steps, green and red."""

from __future__ import annotations

import pytest

from fenceline.core.errors import FaultError, Undecided
from fenceline.steps import ledger
from tests.clocks import now_ns
from tests.steps.test_then import green, red


@pytest.fixture
def write(stage):
    class Client:
        services = ("web",)
        records: list = []

        def read_back(self, service):
            stage.run.log.record("client", None, "ledger.read", {
                "service": service, "sent_ns": now_ns(), "from": None, "records": list(self.records)})

    stage.cluster.ledger = Client()

    def go(number, ok=True):
        stage.run.log.record("client", "rs-01" if ok else None, "append", {
            "service": "web", "id": number, "ok": ok, "sent_ns": now_ns() - 1, "from": "rs-01", "error": None})
        stage.cluster.ledger.records = [*stage.cluster.ledger.records, [number, "rs-01", number]]
    return go


def test_records_acknowledged(stage, write):
    for number in range(1, 4):
        write(number)
    green(ledger.records_acknowledged, stage, "3", "web", "0.2")
    with pytest.raises(FaultError, match="4 acknowledged records"):
        ledger.records_acknowledged(stage, "4", "web", "0.2")


def test_more_records_acknowledged(stage, write):
    import threading
    for number in range(1, 4):
        write(number)
    red(ledger.more_records_acknowledged, stage, "1", "web", "0.1", match="1 more acknowledged")
    timer = threading.Timer(0.1, lambda: write(4))
    timer.start()
    green(ledger.more_records_acknowledged, stage, "1", "web", "5")
    timer.join()


def test_more_records_on_a_host_that_did_not_run_the_machines(stage, write):
    import threading

    def late():
        stage.run.log.record("host", None, "host.waited", {"over": 0.5, "seconds": {"rs-01": 0.5}})
        write(7)
    timers = [threading.Timer(0.3, late), threading.Timer(0.6, lambda: write(8))]
    for timer in timers:
        timer.start()
    with pytest.raises(Undecided, match="2 more acknowledged records .* waited for a CPU of the host"):
        ledger.more_records_acknowledged(stage, "2", "web", "0.4")
    for timer in timers:
        timer.join()


def test_a_record_that_is_met_again_is_one(stage, write):
    write(1)
    event, enough = stage.run.log.events()[-1], ledger._acknowledged("web", 2)
    assert not enough(event) and not enough(event)


def test_nothing_and_something_lost(stage, write):
    write(1)
    write(2)
    green(ledger.nothing_lost, stage, "web")
    red(ledger.something_lost, stage, "web")
    stage.cluster.ledger.records = [[1, "rs-01", 1]]
    red(ledger.nothing_lost, stage, "web", match="no lost acknowledgement: 1 acknowledged records of web are lost")
    green(ledger.something_lost, stage, "web")
