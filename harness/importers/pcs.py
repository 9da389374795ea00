"""A script of pcs commands as a CIB, and as a corosync.conf where it sets the cluster up: the common part of what pcs
0.9 to 0.12 take, see pcs(8). The shell around them is not run: a command with a variable that the script does not set
to a plain word, or within a loop, is a note."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Callable, Iterable

from fenceline.core.errors import FencelineError
from fenceline.importers.blocks import Directive
from fenceline.importers.cib import BESIDE, corosync_of, import_cib
from fenceline.importers.cibbuild import (
    CibBuilder,
    add,
    add_agent,
    add_operation,
    add_pairs,
    add_rule,
    logical_lines,
    pairs,
)
from fenceline.importers.draft import Draft
from fenceline.importers.kinds import FileKind, Files, file_kind
from fenceline.importers.shellscript import VARIABLE, run_script
from fenceline.importers.source import Source
from fenceline.importers.xmltree import Element

_SHELL = re.compile(r"\s*(?:&&|\|\||[;|<>&]|\d?>&?)\s*")
#: Options that take the next word.
_WITH_VALUE = ("-f", "--corosync_conf", "--booth-conf", "--request-timeout", "-u", "-p")
#: What changes nothing in what the cluster is told.
_SILENT = {"cluster": ("auth", "start", "enable", "stop", "disable", "cib", "cib-push", "destroy", "status", "sync",
                       "verify", "reload"), "host": ("auth", "deauth"), "status": (), "config": (), "client": (),
           "resource": ("show", "config", "status", "cleanup", "refresh", "debug-start", "list", "agents", "describe"),
           "stonith": ("show", "config", "status", "cleanup", "refresh", "list", "describe", "history"),
           "property": ("show", "config", "list"), "constraint": ("show", "config", "list", "ref"),
           "quorum": ("status", "config"), "node": (), "pcsd": ()}
_ROLES = ("master", "slave", "started", "stopped", "promoted", "unpromoted")
_ACTIONS = ("start", "stop", "promote", "demote")
_TRANSPORTS = ("knet", "udp", "udpu")
_INFINITY = "INFINITY"


def read_pcs(draft: Draft, source: Source) -> tuple[Element, Directive | None]:
    """(the configuration that the commands come to, what a corosync.conf would say of the setup, or None).

    Raises:
        FencelineError: a command has not what it needs, a quotation mark is not closed; with the line.
    """
    reader = _Reader(draft, source)
    run_script(reader, logical_lines(source))
    return reader.built.root, reader.setup


class _Reader:
    def __init__(self, draft: Draft, source: Source) -> None:
        self._draft, self._source = draft, source
        self.built = CibBuilder()
        self.setup: Directive | None = None
        self._number = 0
        #: functions of the script that only call pcs
        self.wrappers = {"pcs"}
        self._commands: dict[tuple[str, str], Callable[[list[str]], None]] = {
            ("cluster", "setup"): self._setup, ("property", "set"): self._property,
            ("resource", "create"): self._create, ("resource", "group"): self._group,
            ("resource", "clone"): self._clone, ("resource", "promotable"): self._clone,
            ("resource", "master"): self._clone, ("resource", "meta"): self._meta,
            ("resource", "update"): self._update, ("stonith", "update"): self._update,
            ("resource", "defaults"): self._defaults, ("resource", "op"): self._op,
            ("resource", "ban"): self._moved, ("resource", "move"): self._moved,
            ("resource", "disable"): self._state, ("resource", "unmanage"): self._state,
            ("stonith", "create"): self._stonith, ("stonith", "level"): self._level, ("alert", "create"): self._alert,
            ("alert", "recipient"): self._recipient, ("constraint", "location"): self._location,
            ("constraint", "order"): self._order, ("constraint", "colocation"): self._colocation,
            ("quorum", "device"): self._device, ("quorum", "setup"): self._quorum,
            ("quorum", "update"): self._quorum, ("node", "standby"): self._node, ("cluster", "standby"): self._node,
            ("node", "maintenance"): self._node, ("node", "attribute"): self._node}

    def is_command(self, text: str) -> bool:
        """Whether ``text`` is a call of pcs."""
        words = text.removeprefix("sudo ").split()
        return bool(words) and words[0] in self.wrappers

    def unread(self, lines: Iterable[tuple[int, str]]) -> None:
        """Says which calls of pcs in ``lines`` are not read, as they depend on something."""
        for number, text in lines:
            words = text.split()
            if any(word.strip(";") in self.wrappers for word in words):
                # no further than the first value or option: it may be a password
                shown = itertools.takewhile(lambda word: "=" not in word and not word.startswith("-"), words[:6])
                self._draft.note(self._source.at(number), f"{' '.join(shown)} ...: it depends on a condition or is in "
                                                          "a function: not read; write it out")

    def command(self, number: int, text: str, values: dict[str, str]) -> None:
        """One command; ``values`` are those of the script's variables."""
        self._number = number
        text = VARIABLE.sub(lambda match: values.get(match[1], match[0]), text)
        try:
            words = shlex.split(text, comments=True)
        except ValueError as error:
            raise self._bad(str(error)) from error
        # what is after the command is the shell's
        end = next((index for index, word in enumerate(words) if _SHELL.fullmatch(word) or word in ("||", "&&")),
                   len(words))
        rest = " ".join(words[end + 1:])
        words = _without_options(words[:end])
        words = words[1:]
        if len(words) >= 1 and any("$" in word for word in words):
            self._draft.note(self._source.at(number), f"pcs {' '.join(words[:3])}: a variable that is not known: "
                                                     "not read")
        elif words:
            self._run(words)
        if self.is_command(rest):
            self.command(number, rest, values)

    def _run(self, words: list[str]) -> None:
        room, *others = words
        verb = others[0] if others else ""
        self._said = " ".join(words[:3])
        read = self._commands.get((room, verb))
        if read is not None:
            self._verb = verb
            read(others[1:])
        elif room == "property" and "=" in verb:
            self._property(others)
        elif verb not in _SILENT.get(room, ("",)) and room not in ("status", "config", "client", "host", "pcsd"):
            self._note("")

    def _note(self, why: str) -> None:
        self._draft.note(self._source.at(self._number), f"pcs {self._said}: not expressed{f': {why}' if why else ''}")

    def _bad(self, what: str) -> FencelineError:
        return FencelineError(f"{self._source.at(self._number)}: pcs: {what}")

    def _need(self, words: list[str], least: int, what: str) -> None:
        if len(words) < least:
            raise self._bad(f"{self._said}: it needs {what}")

    # the cluster

    def _section(self, name: str) -> Directive:
        """A section of what a corosync.conf would say."""
        self.setup = self.setup or Directive((), self._number, [])
        found = next(self.setup.all(name), None)
        if found is None:
            found = Directive((name,), self._number, [])
            self.setup.body.append(found)
        return found

    def _say(self, block: Directive, name: str, value: str) -> None:
        block.body = [one for one in block.body or () if one.name != name or name == "interface"]
        block.body.append(Directive((name, value), self._number))

    def _setup(self, words: list[str]) -> None:
        """``NAME node [addr=..]... [transport ..] [totem ..] [quorum ..]``, or pcs 0.9's ``--name NAME node...``."""
        words = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else (word,))]
        options = {word: words[index + 1] for index, word in enumerate(words[:-1]) if word.startswith("--")
                   and not words[index + 1].startswith("--")}
        old = "--name" in options
        names: list[list[str]] = []
        part = ""
        rest = [word for index, word in enumerate(words) if not word.startswith("--")
                and not (index and words[index - 1] in options and words[index - 1] not in ("--start", "--enable"))]
        for word in rest if old else rest[1:]:
            if word in ("transport", "totem", "quorum", "link", "compression", "crypto"):
                part = word
            elif not part and "=" not in word:
                names.append(word.split(","))
            elif not part and names:
                if word.startswith("addr="):
                    names[-1].append(word.removeprefix("addr="))
            elif part in ("totem", "quorum") and "=" in word:
                name, _, value = word.partition("=")
                self._say(self._section(part), name, value)
            elif part == "transport" and word in _TRANSPORTS:
                self._say(self._section("totem"), "transport", word)
            elif part == "crypto" and "=" in word:
                name, _, value = word.partition("=")
                self._say(self._section("totem"), f"crypto_{name}", value)
            else:
                self._draft.note(self._source.at(self._number), f"pcs cluster setup {part} {word}: not expressed")
        self._need([name for told in names for name in told], 1, "nodes")
        for option, value in options.items():
            if option in ("--token", "--consensus", "--transport"):
                self._say(self._section("totem"), option[2:], value)
            elif option in ("--wait_for_all", "--auto_tie_breaker", "--last_man_standing"):
                self._say(self._section("quorum"), option[2:], value)
            elif option not in ("--name", "--start", "--enable", "--wait", "--force"):
                self._draft.note(self._source.at(self._number), f"pcs cluster setup {option} {value}: not expressed")
        self._nodes(names, old)
        if len(names) == 2 and not any(self._section("quorum").all("two_node", "auto_tie_breaker")):
            self._say(self._section("quorum"), "two_node", "1")  # as pcs does
        self._say(self._section("quorum"), "provider", "corosync_votequorum")

    def _nodes(self, names: list[list[str]], old: bool) -> None:
        """The nodelist; in pcs 0.9 a node's second name is that on its second ring."""
        nodelist = self._section("nodelist")
        nodes = self.built.section("nodes")
        for index, told in enumerate(names, 1):
            body = [Directive(("name", told[0]), self._number), Directive(("nodeid", str(index)), self._number)]
            addresses = told if old or len(told) == 1 else told[1:]
            body += [Directive((f"ring{ring}_addr", address), self._number) for ring, address in enumerate(addresses)]
            nodelist.body.append(Directive(("node",), self._number, body))
            add(nodes, "node", self._number, id=str(index), uname=told[0])

    def _quorum(self, words: list[str]) -> None:
        for name, value in pairs(word for word in words if "=" in word):
            self._say(self._section("quorum"), name, value)

    def _device(self, words: list[str]) -> None:
        """``add [votes=.. timeout=..] model net host=.. algorithm=.. [heuristics mode=..]``."""
        if words[:1] != ["add"] or "model" not in words[:-1]:
            self._note("")
            return
        at = words.index("model")
        heuristics = words.index("heuristics") if "heuristics" in words else len(words)
        model = words[at + 1]
        body = [Directive(("model", model), self._number)]
        body += [Directive(pair, self._number) for pair in pairs(words[1:at])]
        body.append(Directive((model,), self._number, [Directive(pair, self._number) for pair in
                                                       pairs(words[at + 2:heuristics])]))
        if words[heuristics + 1:]:
            body.append(Directive(("heuristics",), self._number, [Directive(pair, self._number) for pair in
                                                                  pairs(words[heuristics + 1:])]))
        quorum = self._section("quorum")
        quorum.body = [one for one in quorum.body if one.name not in ("device", "two_node")]
        quorum.body.append(Directive(("device",), self._number, body))

    def _node(self, words: list[str]) -> None:
        words = [word for word in words if not word.startswith("--")]
        if not words:
            self._note("which nodes is not said")
            return
        told = pairs(words[1:]) if self._verb == "attribute" else [(self._verb, "on")]
        for name in words[:1] if self._verb == "attribute" else words:
            nodes = self.built.section("nodes")
            node = next((one for one in nodes.all("node") if one.get("uname") == name), None)
            if node is None:
                self._note(f"{name} is no node that was set up before")
            else:
                add_pairs(node, "instance_attributes", told, self._number)

    def _property(self, words: list[str]) -> None:
        add_pairs(self.built.section("crm_config"), "cluster_property_set",
                  pairs(word for word in words if "=" in word and not word.startswith("--")), self._number)

    # resources

    def _create(self, words: list[str]) -> None:
        self._need(words, 2, "a name and an agent")
        name, agent, *rest = words
        made = add_agent(self.built.section("resources"), "primitive", name, agent, self._number)
        outer, settings = "", []
        group = after = ""
        part: list[str] = []
        keyword = "params"
        queue = [*rest, ""]
        index = 0
        while index < len(queue):
            word = queue[index]
            following = queue[index + 1] if index + 1 < len(queue) else ""
            starts = word in ("op", "meta", "clone", "promotable", "master", "bundle", "") or word.startswith("--") or (
                word in ("group", "before", "after") and "=" not in following)
            if not starts:
                part.append(word)
            else:
                self._create_part(made, keyword, part)
                if keyword in ("clone", "promotable", "master"):
                    outer, settings = keyword, [one for one in part if one != "meta"]
                part, keyword = [], word
                if word in ("--group", "group"):
                    group, index, keyword = following, index + 1, "params"
                elif word in ("--before", "--after", "before", "after"):
                    after, index, keyword = word, index + 1, "params"
                elif word in ("--clone", "--master"):
                    outer, keyword = word[2:], "meta"
                elif word == "--disabled":
                    add_pairs(made, "meta_attributes", [("target-role", "Stopped")], self._number)
                    keyword = "params"
                elif word.startswith("--"):
                    keyword = "params"
            index += 1
        if after:
            self._draft.note(self._source.at(self._number), f"{name}: {after}: it is the last of its group here")
        if group:
            self._group(["add", group, name])
        if outer:
            self._verb = outer
            self._clone([name, *settings])

    def _create_part(self, made: Element, keyword: str, part: list[str]) -> None:
        """What stands after ``keyword`` of a resource: operations, meta attributes, parameters."""
        if keyword == "op":
            self._operations(made, part)
        elif keyword in ("params", "meta"):
            add_pairs(made, "meta_attributes" if keyword == "meta" else "instance_attributes", pairs(part),
                      self._number)
        elif keyword == "bundle":
            self._note("a bundle")

    def _operations(self, made: Element, words: list[str]) -> None:
        """``monitor interval=10s start timeout=60s``: an operation begins where a word has no ``=``."""
        told: list[str] = []
        for word in (*words, ""):
            if "=" in word:
                told.append(word)
                continue
            if told and "=" not in told[0]:
                add_operation(made, told, self._number)
            told = [word]

    def _stonith(self, words: list[str]) -> None:
        self._need(words, 2, "a name and an agent")
        self._create([words[0], f"stonith:{words[1].removeprefix('stonith:')}", *words[2:]])

    def _level(self, words: list[str]) -> None:
        """``add LEVEL NODE DEVICE...``; devices may be joined by commas."""
        words = [word for word in words if not word.startswith("--")]
        if words[:1] != ["add"] or len(words) < 4:
            self._note("")
            return
        add(self.built.section("fencing-topology"), "fencing-level", self._number, index=words[1], target=words[2],
            devices=",".join(words[3:]))

    def _alert(self, words: list[str]) -> None:
        """``path=... [id=...] [options NAME=VALUE...] [meta NAME=VALUE...]``."""
        told = dict(pairs(word for word in words if word.split("=")[0] in ("path", "id", "description")))
        if "path" not in told:
            self._note("it has no path")
            return
        alerts = self.built.section("alerts")
        made = add(alerts, "alert", self._number, id=told.get("id", f"alert-{len(alerts.children) + 1}"),
                   path=told["path"])
        part = ""
        for word in words:
            if word in ("options", "meta"):
                part = {"options": "instance_attributes", "meta": "meta_attributes"}[word]
            elif part and "=" in word:
                add_pairs(made, part, pairs([word]), self._number)

    def _recipient(self, words: list[str]) -> None:
        """``add ALERT value=...``."""
        told = dict(pairs(word for word in words if "=" in word))
        alert = next((one for one in self.built.section("alerts").all("alert") if one.get("id") in words[1:2]), None)
        if words[:1] != ["add"] or alert is None or "value" not in told:
            self._note("")
            return
        add(alert, "recipient", self._number, id=told.get("id", f"{alert.get('id')}-to-{len(alert.children) + 1}"),
            value=told["value"])

    def _found(self, name: str) -> Element | None:
        found = self.built.find(name)
        if found is None:
            self._note(f"{name} is no resource that was created before")
        return found

    def _group(self, words: list[str]) -> None:
        words = [word for word in words if not word.startswith("--")]
        if words[:1] != ["add"] or len(words) < 3:
            self._note("")
            return
        name, members = words[1], words[2:]
        group = self.built.find(name)
        if group is None:
            if self.built.wrap(members, "group", name, self._number) is None:
                self._note("one of them is no resource that was created before")
            return
        resources = self.built.section("resources")
        for member in members:
            part = next((one for one in resources.children if one.get("id") == member), None)
            if part is None:
                self._note(f"{member} is no resource that was created before")
            else:
                resources.children = [one for one in resources.children if one is not part]
                group.children.append(part)

    def _clone(self, words: list[str]) -> None:
        """``[promotable] RESOURCE [ID] [settings]``; pcs 0.9's master names its clone first."""
        names = [word for word in words if "=" not in word and word != "meta" and not word.startswith("--")]
        self._need(names, 1, "a resource")
        promotable = self._verb in ("promotable", "master")
        suffix = "master" if self._verb == "master" else "clone"
        resource, name = names[0], f"{names[0]}-{suffix}"
        if len(names) > 1:  # pcs 0.9's master names its own first
            resource, name = (names[1], names[0]) if self._verb == "master" else (names[0], names[1])
        made = self.built.wrap([resource], "master" if promotable else "clone", name, self._number)
        if made is None:
            self._note(f"{resource} is no resource that was created before")
            return
        add_pairs(made, "meta_attributes", pairs(word for word in words if "=" in word), self._number)

    def _meta(self, words: list[str]) -> None:
        if words and (found := self._found(words[0])):
            add_pairs(found, "meta_attributes", pairs(word for word in words[1:] if "=" in word), self._number)

    def _update(self, words: list[str]) -> None:
        if not words or not (found := self._found(words[0])):
            return
        keyword, part = "params", []
        for word in (*words[1:], "op"):
            if word in ("op", "meta"):
                self._create_part(found, keyword, part)
                keyword, part = word, []
            elif not word.startswith("--"):
                part.append(word)

    def _op(self, words: list[str]) -> None:
        if words[:1] == ["defaults"]:
            add_pairs(self.built.section("op_defaults"), "meta_attributes",
                      pairs(word for word in words if "=" in word), self._number)
        elif words[:1] == ["add"] and len(words) > 2 and (found := self._found(words[1])):
            self._operations(found, words[2:])
        else:
            self._note("")

    def _defaults(self, words: list[str]) -> None:
        add_pairs(self.built.section("rsc_defaults"), "meta_attributes",
                  pairs(word for word in words if "=" in word), self._number)

    def _state(self, words: list[str]) -> None:
        told = ("target-role", "Stopped") if self._verb == "disable" else ("is-managed", "false")
        for word in words:
            if not word.startswith("--") and (found := self._found(word)):
                add_pairs(found, "meta_attributes", [told], self._number)

    def _moved(self, words: list[str]) -> None:
        words = [word for word in words if not word.startswith("--") and "=" not in word]
        if len(words) < 2:
            self._note("the node that it leaves is not said")
            return
        self.built.constraint("rsc_location", f"cli-{'ban' if self._verb == 'ban' else 'prefer'}-{words[0]}",
                              self._number, rsc=words[0], node=words[1],
                              score="-INFINITY" if self._verb == "ban" else _INFINITY)

    # constraints

    def _location(self, words: list[str]) -> None:
        """``RESOURCE prefers|avoids NODE[=SCORE]...``, ``RESOURCE rule ...``, ``add ID RESOURCE NODE SCORE``."""
        if words[:1] == ["add"]:
            self._need(words, 5, "an id, a resource, a node and a score")
            self.built.constraint("rsc_location", words[1], self._number, rsc=words[2], node=words[3], score=words[4])
            return
        self._need(words, 3, "a resource, and what it prefers or avoids")
        resource, how, *rest = words
        rest = [word for word in rest if not word.startswith("--")]
        if how in ("prefers", "avoids"):
            for word in rest:
                node, _, points = word.partition("=")
                points = (points or _INFINITY).lstrip("+")
                if how == "avoids":
                    points = points[1:] if points.startswith("-") else f"-{points}"
                self.built.constraint("rsc_location", f"location-{resource}-{node}", self._number, rsc=resource,
                                      node=node, score=points)
        elif how == "rule":
            settings = dict(pairs(word for word in rest if word.split("=")[0] in ("score", "role", "id",
                                                                                  "resource-discovery",
                                                                                  "constraint-id")))
            made = self.built.constraint("rsc_location", f"location-{resource}", self._number, rsc=resource)
            add_rule(made, [word for word in rest if word.split("=")[0] not in settings],
                     settings.get("score", _INFINITY), settings.get("role", ""), self._number)
        else:
            self._note("")

    def _order(self, words: list[str]) -> None:
        """``[action] A then [action] B [settings]`` or ``set A B ... [setoptions ...]``."""
        if words[:1] == ["set"]:
            self._sets("rsc_order", words)
            return
        words = words[1:] if words[:1] == ["add"] else words
        if "then" not in words:
            self._note("it needs two resources and then between them")
            return
        settings = dict(pairs(word for word in words if "=" in word and not word.startswith("--")))
        plain = [word for word in words if "=" not in word and not word.startswith("--")]
        cut = plain.index("then")
        told: dict[str, str] = {}
        for word, part in (("first", plain[:cut]), ("then", plain[cut + 1:])):
            if len(part) == 2 and part[0] in _ACTIONS:
                told[f"{word}_action"], part = part[0], part[1:]
            if len(part) != 1:
                raise self._bad(f"{' '.join(part) or 'nothing'} where a resource of an order should be")
            told[word] = part[0]
        made = self.built.constraint("rsc_order", settings.pop("id", ""), self._number, **told)
        made.attributes.update(settings)

    def _colocation(self, words: list[str]) -> None:
        """``add [role] A with [role] B [score] [settings]`` or ``set ...``."""
        if words[:1] == ["set"]:
            self._sets("rsc_colocation", words)
            return
        plain = [word for word in words if "=" not in word and not word.startswith("--")]
        if plain[:1] != ["add"] or "with" not in plain:
            self._note("")
            return
        settings = dict(pairs(word for word in words if "=" in word and not word.startswith("--")))
        cut = plain.index("with")
        told: dict[str, str] = {}
        left = plain[cut + 1:]
        for word, part in (("rsc", plain[1:cut]), ("with_rsc", left)):
            if part and part[0].lower() in _ROLES and len(part) > 1:
                told[f"{word}_role"], part = part[0], part[1:]
            if not part or (word == "rsc" and len(part) > 1):
                raise self._bad(f"{' '.join(part) or 'nothing'} where a resource of a colocation should be")
            told[word], left = part[0], part[1:]
        score = settings.pop("score", left[0] if left else _INFINITY)
        made = self.built.constraint("rsc_colocation", settings.pop("id", ""), self._number, score=score, **told)
        made.attributes.update(settings)

    def _sets(self, tag: str, words: list[str]) -> None:
        made = self.built.constraint(tag, "", self._number)
        into: dict[str, str] = made.attributes
        for word in words:
            if word == "set":
                block = add(made, "resource_set", self._number)
                into = block.attributes
            elif word == "setoptions":
                into = made.attributes
            elif "=" in word:
                name, _, value = word.partition("=")
                into[name] = value
            elif not word.startswith("--"):
                add(made.children[-1], "resource_ref", self._number, id=word)


def _without_options(words: list[str]) -> list[str]:
    """``words`` without the options that stand before the command."""
    found, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in _WITH_VALUE:
            skip = True
        elif word not in ("--force", "sudo"):
            found.append(word)
    return found


def _read(draft: Draft, files: Files) -> None:
    source, corosync = files["pcs"][0], corosync_of(files)
    root, setup = read_pcs(draft, source)
    if setup is not None and corosync is None:
        corosync = (source, setup)
    import_cib(draft, source, root, corosync)


file_kind(FileKind(
    name="pcs", order=80, says="a script of pcs commands", precedence=2, read=_read, beside=BESIDE,
    words=re.compile(r"^\s*(sudo\s+)?pcs\s+(-\S+\s+)?(\S+\s+)?(cluster|resource|stonith|property|constraint|quorum|"
                     r"node)\b", re.MULTILINE)))
