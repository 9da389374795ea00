"""The text of crm shell (``crm configure show``) as a CIB: the common part of its grammar, see crm(8). What is not of
that is a note; its own tools read all of it."""

from __future__ import annotations

import re
from collections.abc import Callable

from fenceline.core.errors import FencelineError
from fenceline.importers.cib import BESIDE, corosync_of, import_cib
from fenceline.importers.cibbuild import (
    CibBuilder,
    add,
    add_agent,
    add_operation,
    add_pairs,
    add_rule,
    line_of,
    logical_lines,
    pairs,
    words_of,
)
from fenceline.importers.draft import Draft
from fenceline.importers.kinds import FileKind, Files, file_kind
from fenceline.importers.source import Source
from fenceline.importers.xmltree import Element

#: What begins a part of a statement, and the set that it becomes.
_SETS = {"params": "instance_attributes", "meta": "meta_attributes", "attributes": "instance_attributes",
         "utilization": "utilization"}
_SHELL = ("commit", "exit", "quit", "bye", "end", "up", "cd", "configure", "verify", "show", "save", "load", "erase",
          "edit", "refresh", "upgrade")
_KINDS = ("mandatory", "optional", "serialize")
_SCORES = {"mandatory": "INFINITY", "advisory": "0", "inf": "INFINITY", "-inf": "-INFINITY"}


def read_crm(draft: Draft, source: Source) -> Element:
    """The configuration that the text says.

    Raises:
        FencelineError: a statement has not what it needs, a quotation mark is not closed; with the line.
    """
    reader = _Reader(draft, source)
    for number, text in logical_lines(source):
        reader.statement(number, text)
    return reader.built.root


class _Reader:
    def __init__(self, draft: Draft, source: Source) -> None:
        self._draft, self._source = draft, source
        self.built = CibBuilder()
        self._statements: dict[str, Callable[[list[str], int], None]] = {
            "node": self._node, "primitive": self._primitive, "rsc_template": self._primitive, "group": self._group,
            "clone": self._clone, "ms": self._clone, "master": self._clone, "location": self._location,
            "colocation": self._colocation, "collocation": self._colocation, "order": self._order,
            "property": self._options, "rsc_defaults": self._options, "op_defaults": self._options,
            "monitor": self._monitor, "alert": self._alert, "fencing_topology": self._levels,
            "fencing-topology": self._levels}

    def statement(self, number: int, text: str) -> None:
        """One statement of the text."""
        try:
            words = words_of(self._source, number, text)
        except ValueError as error:
            raise FencelineError(f"{self._source.at(number)}: {error}") from error
        while words and (words[0] in ("crm", "sudo", "configure") or words[0].startswith("crm(")) and len(words) > 1:
            words = words[1:]
        if words and words[0] == "-F":
            words = words[1:]
        if not words or words[0] in _SHELL:
            return
        self._tag = "template" if words[0] == "rsc_template" else words[0]
        read = self._statements.get(words[0])
        if read is None:
            self._draft.note(self._source.at(number), f"{' '.join(words[:2])}: not expressed")
            return
        read(words[1:], number)

    def _bad(self, number: int, what: str) -> FencelineError:
        return FencelineError(f"{self._source.at(number)}: {self._tag}: {what}")

    def _node(self, words: list[str], number: int) -> None:
        names = [word for word in words if not word.startswith("$id=")]
        number_of = next((word.partition("=")[2] for word in words if word.startswith("$id=")), "")
        if names and names[0].endswith(":") and len(names) > 1:
            number_of, names = names[0].rstrip(":"), names[1:]
        if not names:
            raise self._bad(number, "it names none")
        name, _, kind = names[0].partition(":")
        node = add(self.built.section("nodes"), "node", number, id=number_of, uname=name,
                   type={"normal": "", "member": ""}.get(kind, kind))
        self._parts(node, names[1:], number)

    def _primitive(self, words: list[str], number: int) -> None:
        if len(words) < 2:
            raise self._bad(number, "it needs a name and an agent")
        name, agent, *rest = words
        resources = self.built.section("resources")
        if agent.startswith("@"):
            made = add(resources, self._tag, number, id=name, template=agent[1:])
        else:
            made = add_agent(resources, self._tag, name, agent, number)
        self._parts(made, rest, number)

    def _parts(self, element: Element, words: list[str], number: int) -> None:
        """``params``, ``meta``, ``op`` and the like, each up to the next."""
        part, told = "", []
        for word in (*words, ""):
            if word in (*_SETS, "op", "operations", ""):
                self._part(element, part, told, number)
                part, told = word, []
            else:
                told.append(word)

    def _part(self, element: Element, part: str, told: list[str], number: int) -> None:
        if part == "op" and told:
            add_operation(element, told, number)
        elif part in _SETS and told and told[0] == "rule":
            values = [index for index, word in enumerate(told) if "=" in word and not word.startswith("$")]
            cut = values[0] if values else len(told)
            add_pairs(element, _SETS[part], pairs(told[cut:]), number)
            for block in list(element.all(_SETS[part]))[-1:]:
                add(block, "rule", number)
        elif part in _SETS:
            told = [word for word in told if not word.startswith("$id=") and not word.endswith(":")]
            add_pairs(element, _SETS[part], pairs(told), number)
        elif part == "" and told:
            # what stands before the first keyword: parameters, too
            add_pairs(element, "instance_attributes", pairs(told), number)

    def _group(self, words: list[str], number: int) -> None:
        cut = next((index for index, word in enumerate(words) if word in _SETS), len(words))
        if cut < 2:
            raise self._bad(number, "it needs a name and members")
        group = self._wrapped(words[1:cut], "group", words[0], number)
        self._parts(group, words[cut:], number)

    def _clone(self, words: list[str], number: int) -> None:
        if len(words) < 2:
            raise self._bad(number, "it needs a name and a resource")
        tag = "clone" if self._tag == "clone" else "master"
        clone = self._wrapped(words[1:2], tag, words[0], number)
        self._parts(clone, words[2:], number)

    def _wrapped(self, names: list[str], tag: str, name: str, number: int) -> Element:
        made = self.built.wrap(names, tag, name, number)
        if made is None:
            raise self._bad(number, f"{' '.join(names)}: one of them is no resource that stands before it")
        return made

    def _monitor(self, words: list[str], number: int) -> None:
        name, _, role = (words or [""])[0].partition(":")
        primitive = self.built.find(name)
        if primitive is None or len(words) < 2:
            raise self._bad(number, "it needs a resource and an interval")
        interval, _, timeout = words[1].partition(":")
        add_operation(primitive, ["monitor", f"interval={interval}", *([f"timeout={timeout}"] if timeout else []),
                                  *([f"role={role}"] if role else [])], number)

    def _alert(self, words: list[str], number: int) -> None:
        """``ID "PATH" [attributes ...] [meta ...] [select ...] to RECIPIENT...``."""
        if len(words) < 2:
            raise self._bad(number, "it needs a name and a path")
        made = add(self.built.section("alerts"), "alert", number, id=words[0], path=words[1])
        part = ""
        for word in words[2:]:
            if word in ("attributes", "meta", "select", "to"):
                part = word
            elif part in ("attributes", "meta"):
                add_pairs(made, _SETS[part], pairs([word]), number)
            elif part == "select":
                selected = next(made.all("select"), None) or add(made, "select", line_of(word, number))
                add(selected, f"select_{word}", line_of(word, number))
            elif part == "to" and word not in ("{", "}"):
                add(made, "recipient", line_of(word, number), id=f"{words[0]}-to-{len(made.children) + 1}", value=word)

    def _levels(self, words: list[str], number: int) -> None:
        """``NODE: DEVICES... NODE: DEVICES...``: a level each word, commas within one; without nodes: for all."""
        section = self.built.section("fencing-topology")
        targets = [word.rstrip(":") for word in words if word.endswith(":")] or [
            one.get("uname") for one in self.built.section("nodes").all("node")]
        target, index = "", 0
        for word in words:
            if word.endswith(":"):
                target, index = word.rstrip(":"), 0
                continue
            index += 1
            for name in [target] if target else targets:
                add(section, "fencing-level", line_of(word, number), index=str(index), target=name, devices=word)

    def _options(self, words: list[str], number: int) -> None:
        section, tag = {"property": ("crm_config", "cluster_property_set"),
                        "rsc_defaults": ("rsc_defaults", "meta_attributes"),
                        "op_defaults": ("op_defaults", "meta_attributes")}[self._tag]
        told = [word for word in words if not word.startswith("$id=") and not word.endswith(":")]
        add_pairs(self.built.section(section), tag, pairs(told), number)

    def _location(self, words: list[str], number: int) -> None:
        if len(words) < 3:
            raise self._bad(number, "it needs a name, a resource, and a score with a node or a rule")
        name, resource, *rest = words
        names: list[str] = []
        if resource == "{" and "}" in rest:
            names, rest = rest[:rest.index("}")], rest[rest.index("}") + 1:]
        settings = dict(pairs(word for word in rest if "=" in word and not word.startswith("$")
                              and word.split("=")[0] in ("role", "resource-discovery")))
        rest = [word for word in rest if word.split("=")[0] not in settings]
        made = self.built.constraint("rsc_location", name, number, rsc="" if names else resource)
        made.attributes.update(settings)
        if resource.startswith("/"):
            made.attributes["rsc-pattern"] = made.attributes.pop("rsc").strip("/")
        if names:
            self._set(made, names, "role", number)
        if rest and rest[0] == "rule":
            while "rule" in rest:
                cut = rest.index("rule", 1) if "rule" in rest[1:] else len(rest)
                self._rule(made, rest[1:cut], number)
                rest = rest[cut:]
        elif len(rest) == 2:
            made.attributes.update(score=_score(rest[0]), node=rest[1])
        else:
            raise self._bad(number, f"{' '.join(rest)}: it must be a score with a node, or a rule")

    def _rule(self, parent: Element, words: list[str], number: int) -> None:
        role = next((word.partition("=")[2] for word in words if word.startswith("$role=")), "")
        words = [word for word in words if not word.startswith("$")]
        points = _score(words[0]) if words and words[0].endswith(":") else ""
        add_rule(parent, words[1:] if points else words, points, role, number)

    def _colocation(self, words: list[str], number: int) -> None:
        points, resources, settings = self._bond(words, number)
        made = self.built.constraint("rsc_colocation", words[0], number, score=points)
        made.attributes.update(settings)
        if len(resources) == 2 and not {"(", "["} & set("".join(resources)):
            for word, resource in zip(("rsc", "with-rsc"), resources, strict=True):
                self._named(made, word, f"{word}-role", resource)
        else:
            self._sets(made, resources, "role", number)

    def _order(self, words: list[str], number: int) -> None:
        points, resources, settings = self._bond(words, number)
        made = self.built.constraint("rsc_order", words[0], number)
        made.attributes.update(settings)
        if points:
            made.attributes["kind" if points.lower() in _KINDS else "score"] = points
        if len(resources) == 2 and not {"(", "["} & set("".join(resources)):
            for word, resource in zip(("first", "then"), resources, strict=True):
                self._named(made, word, f"{word}-action", resource)
        else:
            self._sets(made, resources, "action", number)

    def _bond(self, words: list[str], number: int) -> tuple[str, list[str], dict[str, str]]:
        """(score or kind, resources and brackets, settings) of a colocation or an order."""
        settings = dict(pairs(word for word in words[1:] if "=" in word))
        rest = [word for word in words[1:] if "=" not in word]
        points = ""
        if rest and rest[0].endswith(":"):
            # an order's word is its kind, a colocation's a score by name
            points = rest[0][:-1] if self._tag == "order" and rest[0][:-1].lower() in _KINDS else _score(rest[0])
            rest = rest[1:]
        if len(rest) < 2:
            raise self._bad(number, "it needs a name and two resources")
        return points, rest, settings

    @staticmethod
    def _named(element: Element, word: str, how: str, resource: str) -> None:
        element.attributes[word], _, told = resource.partition(":")
        if told:
            element.attributes[how] = told

    def _sets(self, parent: Element, resources: list[str], how: str, number: int) -> None:
        """Sets of what stands beside each other; ``( )``: in no order, ``[ ]``: one of them is enough."""
        names: list[str] = []
        brackets = ""
        for word in (*" ".join(resources).replace("(", " ( ").replace(")", " ) ").replace("[", " [ ")
                     .replace("]", " ] ").split(), ""):
            if word in ("(", ")", "[", "]", ""):
                if names:
                    block = self._set(parent, names, how, number)
                    if brackets in ("(", "["):
                        block.attributes["sequential"] = "false"
                    if brackets == "[":
                        block.attributes["require-all"] = "false"
                names, brackets = [], word
            else:
                told = word.partition(":")[2]
                if names and told != names[-1].partition(":")[2] and brackets not in ("(", "["):
                    self._set(parent, names, how, number)
                    names = []
                names.append(word)

    @staticmethod
    def _set(parent: Element, names: list[str], how: str, number: int) -> Element:
        block = add(parent, "resource_set", number, **{how: names[-1].partition(":")[2]})
        for name in names:
            add(block, "resource_ref", number, id=name.partition(":")[0])
        return block


def _score(word: str) -> str:
    return _SCORES.get(word.rstrip(":").lower(), word.rstrip(":"))


def _read(draft: Draft, files: Files) -> None:
    source, corosync = files["crm"][0], corosync_of(files)
    import_cib(draft, source, read_crm(draft, source), corosync)


file_kind(FileKind(
    name="crm", order=70, says="crm shell text (crm configure show)", precedence=1, read=_read, beside=BESIDE,
    words=re.compile(r"^\s*(sudo\s+)?(crm\s+(-F\s+)?configure\s+)?((primitive|rsc_template)\s+\S+\s+\S+|"
                     r"property\s+(\$id=\S+\s+)?(cib-bootstrap-options:|\w+-[\w-]+=))", re.MULTILINE)))
