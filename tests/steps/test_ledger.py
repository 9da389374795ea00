"""The ledger's steps, green and red."""

from __future__ import annotations

import pytest

from fenceline.core.errors import FaultError
from fenceline.model.event import now_ns
from fenceline.steps import ledger
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


def test_nothing_and_something_lost(stage, write):
    write(1)
    write(2)
    green(ledger.nothing_lost, stage, "web")
    red(ledger.something_lost, stage, "web")
    stage.cluster.ledger.records = [[1, "rs-01", 1]]
    red(ledger.nothing_lost, stage, "web", match="no lost acknowledgement: 1 acknowledged records of web are lost")
    green(ledger.something_lost, stage, "web")
