"""The judge: event log in, verdict and figures out. Pure functions, but for ``load_run``."""

from fenceline.judge.demand import survivable
from fenceline.judge.expectations import check
from fenceline.judge.history import History, build_history
from fenceline.judge.outages import certain, outages
from fenceline.judge.promise import PROMISES, promises
from fenceline.judge.verdict import judge, judge_folder, judgement_to_json, load_run

__all__ = ["PROMISES", "History", "build_history", "certain", "check", "judge", "judge_folder", "judgement_to_json",
           "load_run", "outages", "promises", "survivable"]
