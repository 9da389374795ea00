"""Twelve clusters as people hand them over: the findings that each hides, and no others."""

import pytest
import yaml

from fenceline.accept.budget import budget
from fenceline.accept.finding import find
from fenceline.core.errors import FencelineError
from tests.accept.clusters import CASES, case

NAMES = sorted(path.name for path in CASES.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_the_findings_that_a_cluster_hides_are_told_and_no_others(name):
    expected = yaml.safe_load((CASES / name / "expected.yaml").read_text())
    if "refused" in expected:
        with pytest.raises(FencelineError) as refused:
            case(name)
        assert [word for word in expected["refused"] if word not in refused.value.message] == []
        return
    original = case(name)
    told = [list(one.places) for one in find(original, budget(original).total) if not one.remark]
    wanted = expected["findings"]
    assert len(told) == len(wanted), told
    for places in wanted:
        assert any(set(places) <= set(one) for one in told), (places, told)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("12")])
def test_every_finding_names_the_line_the_reference_and_what_shows_it(name):
    original = case(name)
    for one in find(original, budget(original).total):
        assert one.rule and one.text and one.reference and one.shown_by
        file, _, line = one.place.rpartition(":")
        text = next(handed.source.text for handed in original.files if handed.name == file)
        assert 1 <= int(line) <= len(text.splitlines())


@pytest.mark.parametrize(("name", "most"), [("01-web-iscsi-lvm", 45), ("02-pgsql-drbd", 60),
                                            ("03-mariadb-multipath", 60), ("04-nfs-pair", 90), ("06-hana-sbd", 180),
                                            ("07-git-vmware", 95), ("11-kvm-hosts", 90)])
def test_the_budget_is_the_sum_of_the_clusters_own_figures(name, most):
    found = budget(case(name))
    assert found.sum <= found.total <= most
    assert all(f"{part.seconds:g} s" in found.shown() for part in found.parts if part.seconds)


def test_a_budget_that_is_given_holds():
    found = budget(case("01-web-iscsi-lvm"), "20s")
    assert found.total == 20 and found.given and "20 s are given" in found.shown()
    for bad in ("soon", "0s", "-1s"):
        with pytest.raises(FencelineError, match="--budget"):
            budget(case("01-web-iscsi-lvm"), bad)
