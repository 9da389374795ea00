"""adoption.md: what was found, what was kept, stood in for and left out, what was assumed; line by line."""

from __future__ import annotations

from fenceline.accept.adopted import Project
from fenceline.accept.fate import Kind

_WORDS: tuple[tuple[Kind, str], ...] = (("kept", "Kept"), ("translated", "Translated"), ("stood in", "Stood in for"),
                                        ("left out", "Left out"))


def telling(project: Project) -> str:
    """The page."""
    topology, original = project.topology, project.original
    mistakes = [one for one in project.findings if not one.remark]
    lines = [f"# {topology.name}, adopted", "",
             f"From {', '.join(f'`{one.name}`' for one in original.files)}: "
             f"{len(topology.cluster_nodes)} nodes ({', '.join(topology.cluster_nodes)}), "
             f"{topology.stack.kind}, {len(topology.services)} service{'s' * (len(topology.services) != 1)} that "
             f"clients or witnesses look at ({', '.join(topology.services)}).", "",
             "The originals are in `config/`, untouched. " + (
                 "What the machines run is in `adopted/`: the same, with what is said below in its place."
                 if original.cib is not None else
                 "The machines run a configuration that is made of the topology: it says what is promised."), "",
             f"## Findings: {len(mistakes)}", ""]
    if not mistakes:
        lines += ["None: nothing that can be seen in the text is a mistake.", ""]
    for number, one in enumerate(mistakes, 1):
        lines += [f"{number}. {', '.join(f'`{place}`' for place in one.places)}: {one.text}.",
                  f"   ({one.rule}; {one.reference}.) Shown by: {one.shown_by}.", ""]
    remarks = [one for one in project.findings if one.remark]
    if remarks:
        lines += ["Worth knowing:", ""] + [f"- `{one.place}`: {one.text}." for one in remarks] + [""]
    lines += ["## The failover budget", "", project.budget.shown() + ".", ""]
    lines += [f"- {part.what}: {part.seconds:g} s{f' (`{part.place}`)' if part.place else ''}"
              for part in project.budget.parts] + [""]
    lines += ["Another one: `failover_budget` in the topology, or `fenceline adopt --budget`.", ""]
    lines += _promised(project)
    for kind, title in _WORDS:
        told = project.fates.all(kind)
        if told:
            lines += [f"## {title}", ""] + [f"- `{place}`: {text}" for place, text in told] + [""]
    lines += ["Passwords and keys are used inside the fabric only, and are its own: none of the originals' is in any "
              "file but in `config/`.", "", "## Questions", ""]
    lines += [f"- `{place}`: {question} Assumed: {assumed}." for place, question, assumed in project.questions] or [
        "None."]
    lines += ["", "## Line by line", ""]
    for file in original.files:
        lines += [f"### {file.name}", "", "```text"]
        lines += [f"{number:4}  {kind:10}  {text.rstrip()}{f'  <- {why}' if kind not in ('kept', 'comment') else ''}"
                  for number, text, kind, why in project.fates.lines(file)]
        lines += ["```", ""]
    return "\n".join(lines)


def _promised(project: Project) -> list[str]:
    """What the judge goes by, read from the configuration."""
    topology = project.topology
    lines = ["## What is promised", ""]
    for name, service in topology.services.items():
        parts = [f"{'its address ' + str(part.address) if part.kind == 'vip' else ''}"
                 f"{part.mountpoint + ' mounted once' if part.kind == 'filesystem' else ''}"
                 for part in service.group if part.kind in ("vip", "filesystem")]
        order = " then ".join(getattr(part, "agent", part.kind) for part in service.group)
        domain = service.domain
        back = "goes back when its first node returns" if domain.failback else "stays where it is when a node returns"
        where = ", ".join(domain.nodes) or "any node"
        bonds = [f"{word} {', '.join(told)}" for word, told in (
            ("after", service.after), ("with", service.colocated_with), ("apart from", service.apart_from)) if told]
        lines.append(f"- {name}: {', '.join(part for part in parts if part) or 'one instance'} with one owner; starts "
                     f"{order}; {'prefers' if domain.ordered else 'runs on'} {where}"
                     f"{' only' if domain.restricted else ''}, {back}; away for {service.failover_budget:g} s at most"
                     f"{'; ' + '; '.join(bonds) if bonds else ''}")
    quorum = topology.stack.quorum
    lines += [f"- quorum: {quorum.policy}; without it: {quorum.without_quorum}",
              f"- fencing: {topology.fencing.method}" + (
                  f", {topology.fencing.action}, {topology.fencing.timeout:g} s" if topology.fencing.method != "none"
                  else ": nobody is made safe"), ""]
    return lines
