"""The background work of faults: one that ended early is not healed as if all had been well."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from fenceline.core.errors import FaultError
from fenceline.faults.background import start_worker, stop_worker, worker_of
from fenceline.faults.base import OnCluster


@dataclass(frozen=True)
class Busy(OnCluster):
    name: ClassVar[str] = "busy"
    error: Any = None

    def inject(self, cluster) -> None:
        def turn() -> None:
            if self.error is not None:
                raise self.error
        start_worker(cluster, self, turn, 0.001)

    def confirm(self, cluster, since_ns):
        return {}

    def heal(self, cluster) -> None:
        stop_worker(cluster, self)

    def confirm_healed(self, cluster):
        return {}


def ended(cluster, fault) -> None:
    worker_of(cluster, fault)._task.join(5)


def kinds(cluster) -> list[str]:
    return [event.kind for event in cluster.log.events()]


def test_one_that_went_on_to_the_end_is_healed(cluster):
    begun = threading.Event()
    fault = Busy()
    start_worker(cluster, fault, begun.set, 0.001)
    assert begun.wait(5) and worker_of(cluster, fault).is_alive
    stop_worker(cluster, fault)
    assert worker_of(cluster, fault) is None and kinds(cluster) == []


@pytest.mark.parametrize(("error", "words"), [
    (FaultError("no such tap"), "no such tap"), (OSError(19, "No such device"), "No such device"),
    (KeyError("rs-09"), r"KeyError\('rs-09'\)"), (AttributeError("NoneType"), "AttributeError")])
def test_one_that_ended_early_is_not_healed_as_if_all_was_well(cluster, error, words):
    fault = Busy(error)
    fault.inject(cluster)
    ended(cluster, fault)
    with pytest.raises(FaultError, match=f"fault busy ended early: .*{words}"):
        fault.heal(cluster)
    # a mistake of ours makes the run broken at once, whether anybody heals or not
    assert kinds(cluster) == ([] if isinstance(error, (FaultError, OSError)) else ["broken"])
