"""A daemon that YAML declares: how its agent, its packages, its port and its clients' question are said without Python.

A declaration is a mapping with the fields of ``AgentPart``. Those of an installation are found through the registry
``DAEMONS``; a part of a group takes one by ``daemon: NAME`` and says only what is different.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, model_validator

from fenceline.core.errors import FencelineError
from fenceline.core.registry import Registry
from fenceline.model.strict import Name, Strict
from fenceline.model.units import Duration

#: Every declared daemon, as its YAML file has it.
DAEMONS: Registry[dict[str, Any]] = Registry("daemon")

#: What stands for a value of the group in parameters, files and shell lines: @mountpoint@, ...
MARKERS = ("address", "mountpoint", "port", "service")
_MARKER = re.compile(r"@([a-z]+)@")


def _word(value: object) -> object:
    """A value as a resource agent is told it: yes and no are true and false."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


Word = Annotated[str, BeforeValidator(_word, json_schema_input_type=str | int | float | bool)]
Words = dict[str, Word]


class Extra(Strict):
    """What Pacemaker's own language can say of a resource beside the fields that there are, passed through as it is."""

    parameters: Words = Field(default_factory=dict, description="of the agent")
    meta: Words = Field(default_factory=dict, description="meta attributes: priority, migration-threshold, "
                                                          "failure-timeout, resource-stickiness, ...")
    operations: dict[Literal["start", "stop", "monitor", "promote", "demote", "notify", "reload"], Words] = Field(
        default_factory=dict, description="attributes by operation: timeout, interval, on-fail, ...")


class Prepare(Strict):
    """What is done once in a disk's life, where its file system is mounted and before the daemon starts."""

    creates: str = Field(description="a path that is there when it has been done")
    run: str = Field(description="a shell line")


class AgentPart(Strict):
    """Anything that an agent starts and stops: an OCF agent, a systemd unit or an LSB script."""

    kind: Literal["resource"]
    daemon: Name | None = Field(None, description="a declared daemon, whose values hold where nothing else is said")
    agent: Annotated[str, Field(pattern=r"^(ocf:[A-Za-z0-9_.-]+|systemd|lsb):[A-Za-z0-9_.@-]+$")]
    parameters: Words = Field(default_factory=dict, description="of the agent; @mountpoint@, @address@, @port@ and "
                                                                "@service@ stand for the group's, here, in files and "
                                                                "in shell lines")
    port: int | None = Field(None, ge=1, le=65535, description="the TCP port that it listens on: how it is seen to run")
    process: Annotated[str, Field(pattern=r"^[^\s/]{1,15}$")] | None = Field(
        None, description="how pgrep -x knows it; absent: the agent's last word")
    ask: dict[Literal["http", "tcp", "mysql", "pgsql", "redis", "command"], str] = Field(
        default_factory=dict, max_length=1, description="what its clients ask: a path (http), nothing but a connection "
                                                        "(tcp), a statement (mysql, pgsql: its first column may say "
                                                        "which node answers), a command (redis), or a shell line that "
                                                        "this host runs inside the fabric, with $ADDRESS and $PORT "
                                                        "(command: exit status 0 is good, its first word the node)")
    every: Duration | None = Field(None, ge=0.008, description="time between two questions, for a daemon that has much "
                                                               "work with each; an outage is seen as much too long; "
                                                               "absent: as usual in that protocol")
    packages: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]+$")], ...] = Field(
        (), description="Debian packages that the guest image has beside its own")
    files: dict[Annotated[str, Field(pattern=r"^/\S+$")], str] = Field(
        default_factory=dict, description="files that every node gets")
    setup: tuple[str, ...] = Field((), description="shell lines that every node runs at boot, before any service")
    prepare: Prepare | None = None
    monitor: Duration = 5.0
    extra: Extra = Extra()

    @model_validator(mode="before")
    @classmethod
    def _as_declared(cls, raw: object) -> object:
        if not isinstance(raw, dict) or not isinstance(raw.get("daemon"), str):
            return raw
        try:
            declared = DAEMONS.find(raw["daemon"])
        except KeyError as error:
            if "agent" in raw:  # of a saved run, which has it all
                return raw
            raise ValueError(f"daemon: {error.args[0]}; or say agent, port, ask and so on here") from None
        merged = {key: {**declared[key], **raw[key]} for key in ("parameters", "files")
                  if isinstance(raw.get(key), dict) and key in declared}
        return declared | raw | merged

    @property
    def name(self) -> str:
        """How it is called where people read it; never the name of a daemon that is a kind of its own."""
        return self.daemon or self.agent

    @property
    def process_name(self) -> str:
        """How pgrep -x knows it."""
        return self.process or self.agent.rpartition(":")[2][:15]

    @property
    def unknown_markers(self) -> tuple[str, ...]:
        """What looks like a marker in its texts and is none."""
        texts = [*self.parameters.values(), *self.files.values(), *self.setup]
        if self.prepare is not None:
            texts += [self.prepare.creates, self.prepare.run]
        return tuple(sorted({word for text in texts for word in _MARKER.findall(text)} - set(MARKERS)))


def filled(text: str, values: Mapping[str, str]) -> str:
    """``text`` with ``values`` in the place of its markers."""
    return _MARKER.sub(lambda match: values.get(match[1], match[0]), text)


def declare(path: Path) -> None:
    """Registers the daemon that the file ``path`` declares, under the file's name without its ending.

    Raises:
        FencelineError: it is not a mapping in YAML, or there is another one of that name.
    """
    try:
        raw = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise FencelineError(f"{path}: {error}") from error
    if not isinstance(raw, dict) or "agent" not in raw:
        raise FencelineError(f"{path}: a daemon is a mapping with agent, port, ask, ...")
    try:
        DAEMONS.register(path.stem, raw)
    except TypeError as error:
        raise FencelineError(f"{path}: {error}: give the file another name") from error


@functools.cache
def declare_folder(folder: Path) -> None:
    """Registers what the YAML files in ``folder`` declare, once; a folder that is not there declares nothing.

    Raises:
        FencelineError: see ``declare``.
    """
    DAEMONS.load()
    for path in sorted(folder.glob("*.yaml")):
        declare(path)
