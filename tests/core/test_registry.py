"""One registry for everything of which there may be more than one."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint

import pytest

from fenceline.core import registry
from fenceline.core.errors import HostError
from fenceline.core.registry import Registry


@pytest.fixture
def plug_in(tmp_path, monkeypatch):
    """A package of modules that are found as entry points; call it with their texts."""
    folder = tmp_path / "coffee"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(points=("coffee",), **modules: str) -> Registry:
        registry.modules.cache_clear()
        for name, text in {"__init__": "", **modules}.items():
            (folder / f"{name}.py").write_text(text)
        found = Registry("fault")
        monkeypatch.setattr(registry, "entry_points", lambda group: [EntryPoint(one, one, group) for one in points])
        module = type(sys)("coffee_registry")
        module.FOUND = found
        monkeypatch.setitem(sys.modules, "coffee_registry", module)
        return found
    yield make
    registry.modules.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "coffee"]:
        del sys.modules[name]


def test_what_the_modules_of_an_entry_point_register_is_found_by_name(plug_in):
    found = plug_in(one="from coffee_registry import FOUND\nFOUND.register('spilled', 1)",
                    two="from coffee_registry import FOUND\nFOUND.register('cold', 2)")
    assert list(found) == ["cold", "spilled"]
    assert found["spilled"] == found.find("spilled") == 1


def test_nothing_is_imported_before_it_is_asked_for(plug_in):
    found = plug_in(one="raise RuntimeError")
    assert found.register("here", 1) == 1
    assert "coffee" not in sys.modules


def test_two_of_one_name_are_refused_and_both_are_named(plug_in):
    text = "from coffee_registry import FOUND\nFOUND.register('spilled', 1)"
    found = plug_in(points=("coffee.one", "coffee.two"), one=text, two=text)
    with pytest.raises(HostError, match=r"'spilled' is there twice: from coffee.one and from coffee.two"):
        list(found)


def test_a_plug_in_that_cannot_be_imported_is_named_with_its_error(plug_in):
    found = plug_in(one="import nothing_of_that_name")
    for _ in range(2):  # asked again, it is not forgotten
        with pytest.raises(HostError, match="plug-in 'coffee' of coffee can't be imported: ModuleNotFoundError"):
            len(found)


def test_an_unknown_name_gets_the_nearest_ones(plug_in):
    found = plug_in(one="from coffee_registry import FOUND\nfor n in ('spilled', 'cold'): FOUND.register(n, n)")
    with pytest.raises(KeyError, match="no fault 'spiled'; the nearest: spilled"):
        found.find("spiled")
    with pytest.raises(KeyError, match="no fault 'zzz'; there are cold, spilled"):
        found.find("zzz")


def test_modules_are_named_and_imported(plug_in):
    plug_in(one="", two="")
    assert registry.modules("step") == ("coffee", "coffee.one", "coffee.two")
    assert "coffee.two" in sys.modules


def test_a_module_that_cannot_be_imported_is_named_with_its_error(plug_in):
    plug_in(one="import nothing_of_that_name")
    with pytest.raises(HostError, match="the step plug-in 'coffee' of coffee can't be imported: ModuleNotFoundError"):
        registry.modules("step")
