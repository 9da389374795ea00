"""Heartbeat with haresources, and keepalived."""

from __future__ import annotations

from collections.abc import Iterator

from fenceline.accept.cibview import seconds
from fenceline.accept.finding import Finding, at, rule
from fenceline.accept.original import File, Original, Settings
from fenceline.importers.blocks import Directive

_RETURN = "the lost node returns"


def _time(settings: Settings, word: str) -> tuple[float, str] | None:
    """(s, place) of a time of ha.cf."""
    told = settings.all(word)
    value = seconds(told[-1][1][0]) if told and told[-1][1] else None
    return (value, settings.at(told[-1][0])) if value is not None else None


@rule("haresources-differ", "heartbeat's documentation: haresources is the same on all nodes",
      "the active node loses its power")
def differ(original: Original, _budget: float) -> Iterator[Finding]:
    """One node would start what the other does not know."""
    for files, word in ((original.haresources, "haresources"), (original.ha_cf, "ha.cf"),
                        (original.authkeys, "authkeys")):
        for other in files[1:]:
            first = files[0]
            mine, theirs = ([words for _, words in one.lines] for one in (first, other))
            # addresses and devices of its own media are each node's own
            if word == "ha.cf":
                mine, theirs = ([words for words in told if words[0] not in ("ucast", "bcast", "mcast", "stonith")]
                                for told in (mine, theirs))
            if mine != theirs:
                one, two = _difference(first, other)
                missing = sorted({word for words in mine for word in words} ^ {word for words in theirs
                                                                               for word in words})
                # keys are nobody's business
                what = "" if word == "authkeys" else f": {', '.join(missing)}" if missing else " in their order"
                yield at(two, one, text=f"{other.source.name} and {first.source.name} differ{what}: after a takeover "
                                        "the nodes do not run the same")


def _difference(first: Settings, other: Settings) -> tuple[str, str]:
    """Where the two differ: the physical lines."""
    mine, theirs = ([(number, text) for number, line in enumerate(one.source.text.splitlines(), 1)
                     if (text := line.partition("#")[0].strip())] for one in (first, other))
    for (number, text), (number_too, text_too) in zip(mine, theirs, strict=False):
        if text.split() != text_too.split():
            return first.at(number), other.at(number_too)
    return first.at(mine[-1][0] if mine else 1), other.at(theirs[-1][0] if theirs else 1)


@rule("deadtime", "ha.cf(5): warntime is less than deadtime", "the active node stands still for a moment")
def deadtime(original: Original, _budget: float) -> Iterator[Finding]:
    """Nobody is warned before the peer is shot."""
    places, text = [], ""
    for one in original.ha_cf:
        dead, warn, beat = (_time(one, word) for word in ("deadtime", "warntime", "keepalive"))
        if dead and warn and dead[0] <= warn[0]:
            places += [dead[1], warn[1]]
            text = f"deadtime {dead[0]:g} s is not longer than warntime {warn[0]:g} s: no late heartbeat is ever told"
        if dead and beat and dead[0] < 3 * beat[0]:
            places += [dead[1], beat[1]]
            text += f"{'; ' if text else ''}deadtime is less than three beats of {beat[0]:g} s"
        elif text and dead and beat:
            text += f" before the peer is shot, after {dead[0] / beat[0]:g} beats of {beat[0]:g} s"
            break
    if places:
        # the same line of each node's file
        places += [told[1] for one in original.ha_cf[1:] if (told := _time(one, "deadtime"))]
        yield at(*places, text=text)


@rule("heartbeat-not-fenced", "ha.cf(5): stonith, stonith_host", "all heartbeat links are cut")
def not_fenced(original: Original, _budget: float) -> Iterator[Finding]:
    """Two nodes that can't make each other safe."""
    shared = [words for one in original.haresources for _, words in one.lines
              if any(word.startswith(("Filesystem::", "drbddisk::", "LVM::")) for word in words)]
    for one in original.ha_cf[:1]:
        if not one.all("stonith") and not one.all("stonith_host"):
            yield at(one.source.at(1), text="no stonith: in a split both nodes run the services"
                                            + (", and mount the same disk" if shared else ""))


@rule("heartbeat-auth", "authkeys(5): crc is no authentication", "a heartbeat link is cut")
def authentication(original: Original, _budget: float) -> Iterator[Finding]:
    """Anybody may speak for a node."""
    for one in original.authkeys:
        for line, words in one.lines:
            if len(words) > 1 and words[1] == "crc":
                yield at(one.at(line), text="crc: whoever is on the network may speak for a node", remark=True)


# keepalived

def _instances(original: Original) -> dict[str, list[tuple[File, Directive]]]:
    found: dict[str, list[tuple[File, Directive]]] = {}
    for one in original.keepalived:
        for block in one.root.all("vrrp_instance"):
            if block.body is not None and len(block.words) > 1:
                found.setdefault(block.words[1], []).append((one, block))
    return found


def _priority(block: Directive) -> int:
    told = block.last("priority")
    return int(told.value) if told is not None and told.value.isdigit() else 100


@rule("master-nopreempt", "keepalived.conf(5), nopreempt: the initial state must be BACKUP", _RETURN)
def master_nopreempt(original: Original, _budget: float) -> Iterator[Finding]:
    """nopreempt is cleared where the initial state is MASTER."""
    places, names = [], []
    for name, told in _instances(original).items():
        for one, block in told:
            state, idle = block.last("state"), block.last("nopreempt")
            if idle is not None and state is not None and state.value == "MASTER":
                places.append(one.at(idle))
                names.append(name)
    if places:
        yield at(*places, text=f"nopreempt with the initial state MASTER ({', '.join(dict.fromkeys(names))}): "
                               "keepalived clears it, and the addresses go back as soon as the lost node returns")


@rule("two-masters", "keepalived.conf(5), state, priority", _RETURN)
def same_priority(original: Original, _budget: float) -> Iterator[Finding]:
    """Both directors want the same with the same right."""
    for name, told in _instances(original).items():
        ranks = [_priority(block) for _, block in told]
        if len(told) > 1 and len(set(ranks)) < len(ranks) and sum(
                (state := block.last("state")) is not None and state.value == "MASTER" for _, block in told) > 1:
            yield at(*(one.at(block.last("priority") or block) for one, block in told),
                     text=f"{name}: two MASTERs of the same priority {ranks[0]}: the higher address decides")


@rule("weight-cannot-matter", "keepalived.conf(5), vrrp_script: weight", "the process of the service is killed")
def weight(original: Original, _budget: float) -> Iterator[Finding]:
    """A check that fails, and the director stays above the other."""
    scripts = {block.words[1]: (one, block) for one in original.keepalived for block in one.root.all("vrrp_script")
               if len(block.words) > 1}
    found: dict[str, tuple[int, int, int]] = {}
    for told in _instances(original).values():
        ranks = sorted((_priority(block) for _, block in told), reverse=True)
        if len(ranks) < 2:
            continue
        best = next(block for _, block in told if _priority(block) == ranks[0])
        for tracked in (one for block in best.all("track_script") for one in block.body or ()):
            file, script = scripts.get(tracked.name, (None, None))
            own = tracked.words[tracked.words.index("weight") + 1:][:1] if "weight" in tracked.words else ()
            said = script.last("weight") if script is not None else None
            text = own[0] if own else said.value if said is not None else "0"
            if script is None or not text.lstrip("+-").isdigit() or int(text) == 0:
                continue
            number = int(text)
            failed, other = (ranks[0] + number, ranks[1]) if number < 0 else (ranks[0], ranks[1] + number)
            if failed > other:
                found.setdefault(file.at(said or script), (number, failed, other))
    for place, (number, failed, other) in found.items():
        yield at(place, text=f"weight {number} can't matter: when the check fails, the director has {failed}, and the "
                             f"other {other}: the addresses stay where nothing answers")


@rule("directors-differ", "keepalived.conf(5): the same virtual_router_id, advert_int and addresses on all", _RETURN)
def directors_differ(original: Original, _budget: float) -> Iterator[Finding]:
    """Directors that don't hear each other, or have different addresses."""
    for name, told in _instances(original).items():
        (first, mine), *others = told
        for other, theirs in others:
            for word in ("virtual_router_id", "advert_int"):
                one, two = mine.last(word), theirs.last(word)
                if (one.value if one else "") != (two.value if two else ""):
                    yield at(other.at(two or theirs), first.at(one or mine),
                             text=f"{name}: {word} is {two.value if two else 'missing'} here and "
                                  f"{one.value if one else 'missing'} there: the two do not take each other's adverts")
            mine_has, theirs_has = ({address.name.split("/")[0] for block in one.all("virtual_ipaddress")
                                     for address in block.body or ()} for one in (mine, theirs))
            if mine_has != theirs_has:
                yield at(other.at(next(theirs.all("virtual_ipaddress"), theirs)),
                         first.at(next(mine.all("virtual_ipaddress"), mine)),
                         text=f"{name}: not the same addresses: {', '.join(sorted(mine_has ^ theirs_has))}")


@rule("unknown-check", "keepalived.conf(5), track_script", _RETURN)
def track_unknown(original: Original, _budget: float) -> Iterator[Finding]:
    """A check that is tracked and nowhere defined."""
    known = {block.words[1] for one in original.keepalived
             for block in one.root.all("vrrp_script", "vrrp_track_process") if len(block.words) > 1}
    includes = any(True for one in original.keepalived for _ in one.root.all("include"))
    for told in _instances(original).values():
        for one, block in told:
            for tracked in (inner for outer in block.all("track_script") for inner in outer.body or ()):
                if tracked.name not in known and not includes:
                    yield at(one.at(tracked), text=f"track_script {tracked.name}: there is no such vrrp_script")
