"""Steps with a deadline on a host that does not run its machines: undecided where that decides, and red where not."""

from __future__ import annotations

import threading

import pytest

from fenceline.core.errors import ClusterError, Undecided
from fenceline.steps import then
from tests.clocks import now_ns
from tests.steps.test_then import A, fault_was, green, red, say  # noqa: F401


def host_took(stage, seconds: float, of: float) -> None:
    """The host took ``seconds`` of the last ``of``."""
    stage.run.log.record("host", None, "host.waited", {"over": of, "seconds": {"rs-01": seconds, "rs-02": 0.0}})


def test_late_by_no_more_than_the_host_took(stage, say):  # noqa: F811
    fault_was(stage, 8)
    say("rs-01", "power.off", why="fence")
    red(then.is_fenced, stage, A, "5", match="too late, after 8.0 s; 5 s were allowed$")
    host_took(stage, 2.0, 8)
    red(then.is_fenced, stage, A, "5", match=r"too late, .*the host took 2\.0 s of 8\.0 s")
    host_took(stage, 2.0, 8)
    with pytest.raises(Undecided, match=r"too late, after 8.0 s; 5 s were allowed; but for 4\.0 s of 8\.0 s machines"):
        then.is_fenced(stage, A, "5")


def test_what_comes_in_time_is_green_whatever_the_host_took(stage, say):  # noqa: F811
    fault_was(stage, 1)
    host_took(stage, 1.0, 1)
    say("rs-01", "power.off", why="fence")
    green(then.is_fenced, stage, A, "5")


def test_it_is_waited_for_as_long_as_the_host_may_be_all_that_kept_it(stage, say):  # noqa: F811
    fault_was(stage, 5)
    host_took(stage, 4.0, 5)
    timer = threading.Timer(0.3, lambda: say("rs-01", "power.off", why="fence"))
    timer.start()
    with pytest.raises(Undecided, match="not within 4 s of the fault; but for 4"):
        then.is_fenced(stage, A, "4")
    timer.join()


def test_but_no_longer_than_as_long_again(stage):
    fault_was(stage, 8.1)
    host_took(stage, 8.0, 8.1)
    with pytest.raises(Undecided, match="not within 4 s"):
        then.is_fenced(stage, A, "4")


def test_what_never_comes_is_red_once_the_host_is_no_excuse(stage):
    fault_was(stage, 1)
    host_took(stage, 0.3, 1)
    begun = now_ns()
    red(then.is_fenced, stage, A, "1", match=r"not within 1 s of the fault \(the host took 0\.3 s of 1\.\d s\)")
    assert now_ns() - begun < 10 * 10**9


@pytest.mark.parametrize("step", [
    lambda stage: then.whole_again(stage, "2"), lambda stage: then.rejoins(stage, A, "2")], ids=["whole", "rejoins"])
def test_what_is_polled(stage, step):
    stage.cluster.stack.broken = ClusterError("no node tells")
    stage.cluster.pace = 0.05
    fault_was(stage, 5)
    red(step, stage)
    host_took(stage, 4.0, 5)
    with pytest.raises(Undecided, match="machines that had something to do waited"):
        step(stage)


def test_a_promise_that_was_to_break(stage):
    fault_was(stage, 5)
    red(then.promise_broken, stage, "single mount", "2", match="the promise 'single mount' to break$")
    host_took(stage, 4.0, 5)
    with pytest.raises(Undecided, match="the promise 'single mount' to break; but for 4"):
        then.promise_broken(stage, "single mount", "2")
