"""The judge: event log in, verdict and figures out. Pure functions, but for ``load_run``."""

from harness.judge.demand import survivable
from harness.judge.history import History, build_history
from harness.judge.invariants import INVARIANTS, SAFETY, check, judge_invariants
from harness.judge.outages import certain, outages
from harness.judge.verdict import judge, judge_folder, judgement_to_json, load_run

__all__ = ["INVARIANTS", "SAFETY", "History", "build_history", "certain", "check", "judge", "judge_folder",
           "judge_invariants", "judgement_to_json", "load_run", "outages", "survivable"]
