"""Gherkin in the Allure report: pytest-bdd's hooks on one side, allure-pytest's reporter on the other.

Register ``AllureBridge(config)`` as a pytest plugin. Without ``--alluredir`` it does nothing. Whatever goes wrong in
here is logged and shown at the end of the session; it never changes a test's outcome.

How a scenario is shown: a broken promise (an AssertionError, or the verdict FAIL) as failed; everything else as
broken: any error in a Given step or a fixture (the set-up failed), and the verdicts UNKNOWN, INVALID and BROKEN.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import allure
import allure_commons
import pytest
from allure_commons.model2 import Parameter, Status, StatusDetails, TestResult, TestStepResult
from allure_commons.reporter import AllureReporter
from allure_commons.types import AttachmentType, LabelType, Severity
from allure_commons.utils import now, represent, uuid4
from allure_pytest.utils import get_status, get_status_details

from fenceline.model.verdict import Judgement, Verdict
from fenceline.reports.attachments import LOGGER, attach_run_files, is_active

EXAMPLE = "_pytest_bdd_example"  # pytest-bdd's name for the row of an Examples table
_TOPOLOGY = re.compile(r'topology "([^"]+)"')
_SEVERITIES = {str(severity.value) for severity in Severity}
_STATE = pytest.StashKey["_Running"]()
_JUDGEMENTS: dict[str, Judgement] = {}  # by the uuid of Allure's test result


def attach_run(folder: Path, judgement: Judgement) -> None:
    """Attaches the run in ``folder`` to the current test of the Allure report, and lets ``judgement`` decide whether
    it is shown as failed or as broken. A no-op without ``--alluredir``; never raises."""
    try:
        if not is_active():
            return
        result = _current_test()
        if result is None:
            return
        known = _JUDGEMENTS.get(result.uuid)
        if known is None or known.verdict is Verdict.PASS:
            _JUDGEMENTS[result.uuid] = judgement
        allure.dynamic.label("verdict", str(judgement.verdict))
        attach_run_files(Path(folder), judgement)
    except Exception:
        LOGGER.warning("the run in %s is not in the report", folder, exc_info=True)


def _current_test() -> TestResult | None:
    for plugin in allure_commons.plugin_manager.get_plugins():
        reporter = getattr(plugin, "allure_logger", None)
        if isinstance(reporter, AllureReporter):
            return reporter.get_test(None)
    return None


@dataclass
class _Running:
    """A scenario in progress: which steps were begun, and the one that runs now as (its uuid, its type)."""

    begun: list[object] = field(default_factory=list)
    current: tuple[str, str] | None = None
    failed_type: str | None = None


def _harmless(hook: Callable[..., None]) -> Callable[..., None]:
    """``hook`` made unable to fail a test: its problem is logged, and shown at the end."""
    @functools.wraps(hook)
    def guarded(self: AllureBridge, *arguments: Any, **named: Any) -> None:
        try:
            hook(self, *arguments, **named)
        except Exception as error:
            LOGGER.warning("%s", hook.__name__, exc_info=True)
            self.problems.append(f"{hook.__name__}: {type(error).__name__}: {error}")
    return guarded


class AllureBridge:
    """The pytest plugin. ``concerns`` says which items are shown its way; the others are allure-pytest's own business.
    ``problems`` are its own failures, one line each."""

    def __init__(self, config: pytest.Config, concerns: Callable[[pytest.Item], bool] = lambda item: True) -> None:
        self.config = config
        self.concerns = concerns
        self.problems: list[str] = []

    @property
    def reporter(self) -> AllureReporter | None:
        """allure-pytest's reporter; None without --alluredir. Looked up late: plugins are configured in any order."""
        return getattr(self.config.pluginmanager.get_plugin("allure_listener"), "allure_logger", None)

    def _template_of(self, item: pytest.Item) -> Any:
        return _scenario_of(item) if self.concerns(item) else None

    # -- labels: as marks, so that --allure-features and friends select by them and a failed set-up keeps them ----

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Labels every scenario, before allure-pytest selects."""
        if self.config.pluginmanager.has_plugin("allure_pytest"):
            for item in items:
                self._label(item)

    @_harmless
    def _label(self, item: pytest.Item) -> None:
        template = self._template_of(item)
        if template is None:
            return
        rule = getattr(template, "rule", None)
        labels = {LabelType.FEATURE: template.feature.name, LabelType.STORY: rule.name if rule else template.name,
                  LabelType.SEVERITY: severity_of({mark.name for mark in item.iter_markers()})}
        if rule:
            labels = {LabelType.EPIC: template.feature.name, LabelType.FEATURE: rule.name,
                      LabelType.STORY: template.name, LabelType.SEVERITY: labels[LabelType.SEVERITY]}
        for kind, value in labels.items():
            if value:
                item.add_marker(pytest.mark.allure_label(value, label_type=kind))

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # outside of allure-pytest's own, which names the test its way
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        """Names and describes the scenario, also if its set-up fails."""
        try:
            return (yield)
        finally:
            self._describe(item)

    @_harmless
    def _describe(self, item: pytest.Item) -> None:
        template, reporter = self._template_of(item), self.reporter
        result = reporter.get_test(None) if reporter and template else None
        if result is None:
            return
        row = dict(getattr(getattr(item, "callspec", None), "params", {}).get(EXAMPLE) or {})
        scenario = template.render(row)
        # rows of one outline must not all bear the same name
        distinct = scenario.name != template.name or not row
        result.name = scenario.name if distinct else f"{scenario.name} ({', '.join(map(str, row.values()))})"
        result.description = "\n\n".join(filter(None, [
            template.feature.description, getattr(template.rule, "description", ""), template.description,
            f"`{template.feature.rel_filename}:{template.line_number}`"]))
        topology = next(filter(None, (_TOPOLOGY.search(step.name) for step in scenario.steps)), None)
        driver, seed = (self.config.getoption(f"fenceline_{name}", None) for name in ("driver", "seed"))
        values = {**row, "driver": driver, "topology": topology and topology[1]}
        result.parameters[:] = [parameter for parameter in result.parameters if parameter.name != EXAMPLE]
        result.parameters += [Parameter(name=name, value=represent(value)) for name, value in values.items()
                              if value is not None]
        if seed is not None:
            # excluded: with the seed in it, a scenario's history would begin anew in every session
            result.parameters.append(Parameter(name="seed", value=represent(seed), excluded=True))

    # -- steps -----------------------------------------------------------------------------------------------

    @_harmless
    def pytest_bdd_before_scenario(self, request: pytest.FixtureRequest) -> None:
        """A scenario begins."""
        if self.concerns(request.node):
            request.node.stash[_STATE] = _Running()

    @pytest.hookimpl(tryfirst=True)
    @_harmless
    def pytest_bdd_before_step(self, request: pytest.FixtureRequest, step: Any) -> None:
        """A step begins: what is attached or begun as an ``allure.step`` from now on belongs to it."""
        self._begin(request.node.stash.get(_STATE, None), step)

    def _begin(self, state: _Running | None, step: Any) -> None:
        reporter = self.reporter
        if reporter is None or state is None:
            return
        uuid = uuid4()
        reporter.start_step(None, uuid, TestStepResult(name=_title(step), start=now()))
        state.begun.append(step)
        state.current = (uuid, step.type)
        if step.datatable is not None:
            table = "\n".join("| " + " | ".join(row) + " |" for row in step.datatable.raw())
            allure.attach(table, "table", AttachmentType.TEXT)
        if step.docstring is not None:
            allure.attach(step.docstring, "text", AttachmentType.TEXT)

    @_harmless
    def pytest_bdd_after_step(self, request: pytest.FixtureRequest) -> None:
        """A step passed."""
        self._end(request.node.stash.get(_STATE, None), None)

    @_harmless
    def pytest_bdd_step_error(self, request: pytest.FixtureRequest, exception: BaseException) -> None:
        """A step failed."""
        self._end(request.node.stash.get(_STATE, None), exception)

    @_harmless
    def pytest_bdd_step_func_lookup_error(self, request: pytest.FixtureRequest, step: Any,
                                          exception: BaseException) -> None:
        """A step that nobody defined is in the report, as broken."""
        state = request.node.stash.get(_STATE, None)
        self._begin(state, step)
        self._end(state, exception)

    def _end(self, state: _Running | None, error: BaseException | None) -> None:
        reporter = self.reporter
        if reporter is None or state is None or state.current is None:
            return
        uuid, kind = state.current
        state.current = None
        status, details = get_status(error), None
        if error is not None:
            details = get_status_details(type(error), error, error.__traceback__)
            if status != Status.SKIPPED:
                state.failed_type = kind
            if status == Status.FAILED and kind == "given":
                status = Status.BROKEN
        reporter.stop_step(uuid, stop=now(), status=status, statusDetails=details)

    @_harmless
    def pytest_bdd_after_scenario(self, request: pytest.FixtureRequest, scenario: Any) -> None:
        """Closes a step that a skip or an interrupt left open, and shows those that were never reached."""
        state, reporter = request.node.stash.get(_STATE, None), self.reporter
        if state is None or reporter is None:
            return
        # pytest-bdd calls this in a `finally`: what is being raised is still there to be asked for
        self._end(state, sys.exc_info()[1])
        for step in scenario.steps:
            if not any(step is begun for begun in state.begun):
                uuid, moment = uuid4(), now()
                reporter.start_step(None, uuid, TestStepResult(name=_title(step), start=moment))
                reporter.stop_step(uuid, stop=moment, status=Status.SKIPPED)

    # -- failed or broken ------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # outside of allure-pytest's own, which sets the status
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]
                                  ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Corrects the status where the kind of exception says less than the verdict, or than where it was raised."""
        report = yield
        self._correct(item, call)
        return report

    @_harmless
    def _correct(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        reporter = self.reporter
        result = reporter.get_test(None) if reporter else None
        if result is None:
            return
        if call.when == "teardown":
            _JUDGEMENTS.pop(result.uuid, None)
        if call.excinfo is None or result.status not in (Status.FAILED, Status.BROKEN):
            return
        judgement = _JUDGEMENTS.get(result.uuid)
        state = item.stash.get(_STATE, None)
        if call.when == "call" and judgement is not None and judgement.verdict is not Verdict.PASS:
            result.status = Status.FAILED if judgement.verdict is Verdict.FAIL else Status.BROKEN
            _say_reason(result, f"verdict {judgement.verdict}: {judgement.reason}")
        elif self._template_of(item) is not None and (
                call.when == "setup" or (call.when == "call" and state and state.failed_type == "given")):
            result.status = Status.BROKEN
            _say_reason(result, "the set-up failed")

    @_harmless
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Says what is missing in the report."""
        if self.problems:
            terminalreporter.section("Allure report is not complete")
            for problem in dict.fromkeys(self.problems):
                terminalreporter.write_line(problem)


def severity_of(tags: set[str]) -> str:
    """Allure's severity from Gherkin tags: a tag with its name (``@blocker``) or ``@severity:NAME``; else critical
    for ``@smoke``, normal for the rest."""
    named = [severity for severity in _SEVERITIES if severity in tags or f"severity:{severity}" in tags]
    order = [str(severity.value) for severity in Severity]
    if named:
        return min(named, key=order.index)
    return str((Severity.CRITICAL if "smoke" in tags else Severity.NORMAL).value)


def _scenario_of(item: pytest.Item) -> Any:
    """The scenario that ``item`` runs; None if it is an ordinary test."""
    with suppress(ImportError, TypeError):
        from pytest_bdd.scenario import scenario_wrapper_template_registry
        return scenario_wrapper_template_registry.get(getattr(item, "obj", None))
    return None


def _title(step: Any) -> str:
    return f"{step.keyword} {step.name}".strip()


def _say_reason(result: TestResult, reason: str) -> None:
    """Puts ``reason`` in front of what the test's status says, unless it is there already."""
    details = result.statusDetails or StatusDetails(message="", trace="")
    if reason not in (details.message or ""):
        details.message = f"{reason}\n\n{details.message or ''}".rstrip()
    result.statusDetails = details
