"""The pytest plugin: options, the scene of a scenario, the verdict at its end."""

from __future__ import annotations

import random
import re
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from fenceline.core.errors import ClusterSilent, FencelineError, Undecided
from fenceline.model.verdict import Judgement, Verdict
from fenceline.scenario.featurefile import FeatureFile, collect
from fenceline.scenario.names import REPEAT, REPEAT_TAG, SCENE
from fenceline.scenario.options import add_options, add_short_options, option, project_of

#: The tags of a feature that mean something to us.
_MARKERS = (f"{REPEAT}(N): the scenario is run N times",
            "known_bad: a promise is broken on purpose, and that must be seen",
            "twin: what a known_bad scenario does, on a cluster without its mistake; no promise may break")

_SCENE = pytest.StashKey()
_POOL = pytest.StashKey()
_PLACE = pytest.StashKey()
_EXAMPLE = "_pytest_bdd_example"  # pytest-bdd's name for the row of an Examples table
_FIGURES = "fenceline_outage_s"  # the name of the property that carries a scenario's figure, also from a worker


class Terminated(KeyboardInterrupt):
    """SIGTERM: the session ends as by Ctrl-C."""


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(parser: pytest.Parser) -> Generator[None]:
    """Plugins and conftests have their options by then."""
    result = yield
    add_short_options(parser)
    return result


def pytest_configure(config: pytest.Config) -> None:
    from fenceline.machines.drivers import DRIVERS
    for marker in (*_MARKERS, *(f"{name}: runs on {kind.title} only" for name, kind in DRIVERS.items())):
        config.addinivalue_line("markers", marker)
    if option(config, "seed") is None:
        config.option.fenceline_seed = random.SystemRandom().randrange(2**32)
    if config.getoption("--alluredir", None):
        from fenceline.reports.allure_bridge import AllureBridge
        config.pluginmanager.register(AllureBridge(config, lambda item: isinstance(item.parent, FeatureFile)),
                                      "fenceline-allure")


def pytest_report_header(config: pytest.Config) -> str:
    return f"fenceline: driver {option(config, 'driver')}, seed {option(config, 'seed')}"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> FeatureFile | None:
    return collect(file_path, parent) if file_path.suffix == ".feature" else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``--fenceline-repeat N``, else the tag ``@repeat(N)``: each scenario N times, one after the other, on a cluster
    that is reused in between."""
    tag = metafunc.definition.get_closest_marker(REPEAT)
    count = option(metafunc.config, "repeat") or (tag.args[0] if tag else 1)
    if count > 1 and isinstance(metafunc.definition.parent, FeatureFile):
        metafunc.fixturenames.append("fenceline_repetition")
        metafunc.parametrize("fenceline_repetition", range(1, count + 1))


@pytest.hookimpl(tryfirst=True)  # pytest-bdd's own takes every tag
def pytest_bdd_apply_tag(tag: str, function: Callable[..., object]) -> bool | None:
    """``@repeat(N)`` as a marker with its number; every other tag is pytest-bdd's own business."""
    match = re.fullmatch(REPEAT_TAG, tag)
    if match is None:
        return None
    getattr(pytest.mark, REPEAT)(int(match[1]))(function)
    return True


def pytest_terminal_summary(terminalreporter: object, config: pytest.Config) -> None:
    """The distribution of each scenario that ran more than once: of one row of an outline, on one topology."""
    found: dict[tuple[str, str], list[float]] = {}
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == _FIGURES:
                test, title, seconds = value
                found.setdefault((test, title), []).append(seconds)
    repeated = [(title, values) for (_, title), values in found.items() if len(values) > 1]
    if not repeated:
        return
    from fenceline.reports.stats import distribution
    terminalreporter.section("failover times")
    for title, values in repeated:
        known = distribution(values, seed=option(config, "seed"))
        terminalreporter.write_line(
            f"{title}: n={known.n} median {known.median:.2f} s (95 % interval {known.low:.2f} to {known.high:.2f}), "
            f"p95 {known.p95:.2f} s, {known.least:.2f} to {known.most:.2f} s")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A scenario that needs a certain driver is skipped on the other, saying so."""
    from fenceline.machines.drivers import DRIVERS, resolved_name
    features = [item for item in items if isinstance(item.parent, FeatureFile)]
    if not features:
        return
    _end_on_sigterm(config)
    driver = option(config, "driver")
    for item in features:
        for needed in DRIVERS:
            if item.get_closest_marker(needed):
                chosen = resolved_name(driver, option(config, "libvirt-uri"))
                if chosen != needed:
                    item.add_marker(pytest.mark.skip(reason=f"needs machines of the {needed} driver: "
                                                            f"--fenceline-driver={needed} (now: {chosen})"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: object, ids: list[str]) -> None:
    """The process that has workers collects nothing itself; it must not end before they have."""
    if any(".feature::" in identity for identity in ids):
        _end_on_sigterm(node.config)


def _end_on_sigterm(config: pytest.Config) -> None:
    """SIGTERM takes down what stands, like Ctrl-C, rather than leave it to `fenceline reap`. Once: who is asked twice
    is still at it."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        return

    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated("SIGTERM")
    signal.signal(signal.SIGTERM, end)
    config.add_cleanup(lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))


class _Say:
    """Progress lines on the terminal, past pytest's capture; those of a worker of pytest-xdist with its name."""

    def __init__(self, config: pytest.Config) -> None:
        self._capture = config.pluginmanager.get_plugin("capturemanager")
        worker = getattr(config, "workerinput", {}).get("workerid", "")
        self._begin = f"  {worker}: " if worker else "  "
        # several workers write at the same time: whole lines only
        self._on_top = sys.stderr.isatty() and not worker

    def __call__(self, line: str) -> None:
        with self._capture.global_and_fixture_disabled():
            sys.stderr.write(f"\n{self._begin}{line}" if self._on_top else f"{self._begin}{line}\n")
            sys.stderr.flush()


@pytest.fixture(scope="session")
def fenceline_pool(request: pytest.FixtureRequest) -> Iterator[object]:
    """The clusters of this session."""
    from fenceline.cluster.cluster import ClusterOptions
    from fenceline.core.progress import Progress
    from fenceline.scenario.pool import ClusterPool
    config = request.config
    options = ClusterOptions(option(config, "driver"), option(config, "libvirt-uri"), option(config, "seed"))
    pool = ClusterPool(options, Progress(_Say(config)), reuse=not option(config, "rebuild"))
    config.stash[_POOL] = pool
    yield pool
    pool.close()


@pytest.fixture
def fenceline_scene(request: pytest.FixtureRequest, fenceline_pool: object) -> Iterator[object]:
    """The scene of one scenario: its run, and in time its cluster."""
    from fenceline.scenario.run import Run, RunInfo
    from fenceline.scenario.scene import Scene
    config = request.config
    project = project_of(config)
    base = Path(option(config, "runs-dir") or project.runs)
    tags = tuple(sorted(mark.name for mark in request.node.iter_markers()))
    title = (request.node.function.__doc__ or "").partition(": ")[2] or request.node.name
    info = RunInfo(title, request.node.nodeid, tags, option(config, "seed"), option(config, "driver"))
    scene = Scene(Run(Run.new_folder(base, title), info, fenceline_pool.log), fenceline_pool, project.topologies)
    request.node.stash[_SCENE] = scene
    yield scene
    if scene.has_cluster:
        problems = fenceline_pool.release(scene.cluster, scene.run.judgement)
        if problems:
            scene.cluster.progress("the cluster was taken down, as it could not be healed: " + "; ".join(problems))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """After a scenario's steps: its verdict, which alone decides. A step's own error is kept in front."""
    error: BaseException | None = None
    result = None
    try:
        result = yield
    except BaseException as caught:
        error = caught
    scene = pyfuncitem.stash.get(_SCENE, None)
    if scene is None:
        if error is not None:
            raise error
        return result
    try:
        judgement = scene.finish(error)
    except Exception as failure:
        if error is None:
            raise
        error.add_note(f"and the run could not be judged: {failure!r}")
        raise error from None
    if judgement is not None:
        failed = error is not None or judgement.verdict is not Verdict.PASS
        try:
            _show(pyfuncitem, scene, judgement, failed)
        except Exception as failure:  # what can't be shown must not cost the verdict, nor the step's own error
            scene.say(f"the run can't be shown: {failure!r}")
    if error is not None:
        raise error
    if judgement is not None and judgement.verdict is not Verdict.PASS:
        kind = PromiseBroken if judgement.verdict is Verdict.FAIL else NotJudged
        raise kind(f"verdict {judgement.verdict}: {judgement.reason}\n"
                   f"run folder: {scene.run.folder}; judge it again: fenceline judge {scene.run.folder}")
    return result


class PromiseBroken(AssertionError):
    """The verdict is FAIL."""


class NotJudged(FencelineError):
    """The verdict is UNKNOWN, INVALID or BROKEN: no statement about the cluster."""


def _show(item: pytest.Function, scene: object, judgement: Judgement, failed: bool) -> None:
    from fenceline.reports.allure_bridge import attach_run
    from fenceline.reports.html import write_run_page
    from fenceline.reports.tables import closing_text, findings_table_text, outages_text
    verdict = findings_table_text(judgement) if failed else f"verdict {judgement.verdict}: {judgement.reason}"
    text = "\n".join([verdict, outages_text(judgement), closing_text(judgement), f"run folder: {scene.run.folder}"])
    item.add_report_section("call", "fenceline", text)
    if failed and scene.has_cluster:
        scene.cluster.collect_logs(scene.run.folder / "logs")
    for line in text.splitlines():
        if line.strip():
            scene.say(line)
    try:
        write_run_page(scene.run.folder)
    except Exception as error:  # a page that can't be drawn must not cost the verdict
        scene.say(f"no report.html in the run folder: {error!r}")
    attach_run(scene.run.folder, judgement)
    _remember(item, scene, judgement)


def _remember(item: pytest.Function, scene: object, judgement: Judgement) -> None:
    """The run's figures into the history, and those of what is repeated for the summary."""
    import sqlite3

    from fenceline.reports import history
    outage = max(judgement.failovers, key=lambda one: one.seconds, default=None)
    if judgement.verdict is Verdict.PASS and outage is not None and outage.end_ns is not None:
        item.user_properties.append((_FIGURES, (item.nodeid.partition("[")[0], _title(item, scene), outage.seconds)))
    path = option(item.config, "history") or scene.run.folder.parent.parent / history.NAME
    try:
        with history.opened(path) as db:
            history.record_run(db, scene.run.folder)
    except (sqlite3.Error, OSError, history.NoRunFolder) as error:  # must not cost the verdict
        scene.say(f"not in the history {path}: {error}")


def _title(item: pytest.Item, scene: object) -> str:
    """The scenario with what tells it from the other rows of its outline, and its topology."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    told = [*map(str, (params.get(_EXAMPLE) or {}).values())]
    if scene.run.topology is not None and scene.run.topology.name not in told:
        told.append(scene.run.topology.name)
    return f"{scene.run.info.scenario} ({', '.join(told)})" if told else scene.run.info.scenario


def pytest_bdd_before_scenario(request: pytest.FixtureRequest, scenario: object) -> None:
    # before its first step, so that the first step is told and recorded like the others
    if isinstance(request.node.parent, FeatureFile):
        _refuse_what_is_lacking(request.config, scenario)
        reporter = request.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:  # a worker of pytest-xdist has none
            reporter.ensure_newline()
        request.getfixturevalue(SCENE)


def _refuse_what_is_lacking(config: pytest.Config, scenario: object) -> None:
    """Before anything is built.

    Raises:
        NotJudged: the scenario needs a fault that this host can't inject: which, and what is lacking.
    """
    from fenceline.faults.requirements import hindrances, place
    from fenceline.scenario.features import known_contexts
    from fenceline.scenario.needs import faults_of
    names = faults_of(scenario.steps, known_contexts())
    if not names:
        return
    where = config.stash.get(_PLACE, None)
    if where is None:
        where = config.stash[_PLACE] = place(option(config, "driver"), option(config, "libvirt-uri"))
    found = hindrances(names, where)
    if found:
        raise NotJudged("; ".join(found))


def pytest_bdd_before_step(request: pytest.FixtureRequest, step: object) -> None:
    _record_step(request, step, "begin")


def pytest_bdd_after_step(request: pytest.FixtureRequest, step: object) -> None:
    _record_step(request, step, "passed")


def pytest_bdd_step_error(request: pytest.FixtureRequest, step: object, exception: BaseException) -> None:
    # only a broken expectation is the cluster's failure; the rest is told by `broken` and `fault.unconfirmed`; for how
    # long a cluster that could not tell its state may be silent, the judge knows
    status = ("failed" if isinstance(exception, AssertionError) else
              "undecided" if isinstance(exception, (ClusterSilent, Undecided)) else "error")
    _record_step(request, step, status, str(exception))


def _record_step(request: pytest.FixtureRequest, step: object, status: str, error: str | None = None) -> None:
    scene = request.node.stash.get(_SCENE, None)
    if scene is not None:
        scene.run.log.record("scenario", None, "step", {
            "text": f"{step.keyword} {step.name}".strip(), "status": status, "error": error})
        if status == "begin":
            scene.say(f"{step.keyword} {step.name}")
