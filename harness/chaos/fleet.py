"""A fleet: episodes of a campaign on many hypervisors, by dask.distributed (the extra ``fenceline[fleet]``).

On each hypervisor ``fenceline worker SCHEDULER`` runs; it says how many clusters it can run at once, and what it runs:
code and guest image. One that runs something else than the campaign is refused, saying which. A worker that is lost has
its episode played by another one; what an episode came to is counted once, by the campaign's ledger.
"""

from __future__ import annotations

import base64
import io
import json
import math
import queue
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fenceline.chaos.crew import Crew, News, Order
from fenceline.core.errors import HostError

#: The resource of which an episode takes one.
CLUSTER = "fenceline-cluster"
#: So many workers may be lost with one episode before it is BROKEN: it may be what kills them.
RETRIES = 2
#: A scheduler must answer within so many seconds.
_ANSWERS_WITHIN = 15
#: So often (s) it is looked who is there: of a hundred workers that is a large answer.
_LOOK_AGAIN_S = 1.0
#: So long (s) a campaign waits for a worker that fits, while nothing is being played.
_NOBODY_S = 300.0
#: What ``fenceline worker`` put into the process that dask runs tasks in.
_HERE: dict[str, Any] = {}


def distributed() -> Any:
    """The package.

    Raises:
        HostError: it is not installed.
    """
    try:
        import distributed as found
    except ImportError as error:
        raise HostError("a fleet needs dask.distributed: pip install 'fenceline[fleet]'") from error
    return found


# -- on a hypervisor -------------------------------------------------------------------------------------------


def open_here(identity: dict[str, str], command: Sequence[str], clusters: int) -> None:
    """Makes this process ready to play: ``clusters`` at a time, each in a process of its own."""
    _HERE.update(identity=identity, crew=Crew(command, clusters), lock=threading.Lock(), waiting={})


def identity_here() -> dict[str, str] | None:
    """What this process runs; None where it is no worker of ours."""
    return _HERE.get("identity")


def play_here(order: dict[str, Any]) -> dict[str, str]:
    """Plays an episode; returns its outcome as JSON, and its folder, packed.

    Raises:
        RuntimeError: this process is no worker of ours.
    """
    if "crew" not in _HERE:
        raise RuntimeError("this dask worker was not started by `fenceline worker`")
    with tempfile.TemporaryDirectory(prefix="fenceline-episode-") as base:
        folder = Path(base) / f"{order['number']:05d}"
        outcome = _played(Order(order["number"], order["topology"], order["schedule"], folder, order["origin"],
                                order["within"]))
        return {"outcome": outcome, "folder": packed(folder)}


def _played(order: Order) -> str:
    """Gives ``order`` to a free process and waits for its outcome; every thread takes in the news of all."""
    crew, lock, waiting = _HERE["crew"], _HERE["lock"], _HERE["waiting"]
    mine: queue.Queue[News] = queue.Queue()
    with lock:
        waiting[order.number] = mine
        crew.give(crew.best_for(order.topology), order)
    try:
        while True:
            with lock:
                news = crew.news(0.2)
            if news is not None and (news.outcome or news.gone) and news.number in waiting:
                waiting[news.number].put(news)
            try:
                found = mine.get(timeout=0.05)
            except queue.Empty:
                continue
            return found.outcome or json.dumps({"gone": found.say})
    finally:
        waiting.pop(order.number, None)


def packed(folder: Path) -> str:
    """``folder`` as a compressed archive, as text."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz", preset=1) as archive:
        if folder.is_dir():
            archive.add(folder, ".")
    return base64.b85encode(data.getvalue()).decode()


def unpack(text: str, folder: Path) -> None:
    """What ``packed`` packed, into ``folder``; nothing of it can be put elsewhere.

    Raises:
        OSError: it can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(base64.b85decode(text)), mode="r:xz") as archive:
        archive.extractall(folder, filter="data")


# -- where the campaign is -------------------------------------------------------------------------------------


@dataclass
class Fleet:
    """The workers of a campaign elsewhere: what a ``Crew`` is on this host. ``identity`` is what they must run;
    ``play`` is what they do with an order."""

    scheduler: str
    identity: dict[str, str]
    say: Callable[[str], None] = lambda line: None
    play: Callable[[dict[str, Any]], dict[str, str]] = play_here
    _done: queue.Queue[tuple[Any, Order]] = field(default_factory=queue.Queue)
    _futures: dict[int, tuple[Any, Order]] = field(default_factory=dict)
    _known: dict[str, bool] = field(default_factory=dict)
    _missed_s: float | None = None
    _places: dict[str, int] = field(default_factory=dict)
    _looked_s: float = -math.inf

    def __post_init__(self) -> None:
        package = distributed()
        try:
            self._client = package.Client(self.scheduler, timeout=_ANSWERS_WITHIN, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise HostError(f"the scheduler {self.scheduler} can't be reached: {error}; start one: dask scheduler"
                            ) from error

    # -- as a crew -----------------------------------------------------------------------------------------

    @property
    def busy(self) -> dict[int, Order]:
        """What is being played, or waits for a worker, by the number of the episode."""
        return {number: order for number, (_, order) in self._futures.items()}

    @property
    def free(self) -> list[int]:
        """As many as may be given now: one more than there are clusters waits, so that none is idle."""
        places = sum(self._fitting().values())
        return list(range(max(0, places + (1 if places else 0) - len(self._futures))))

    def best_for(self, topology: str) -> int:
        """Any: dask chooses."""
        return 0

    def give(self, worker: int, order: Order) -> None:
        """Has some worker play ``order``."""
        told = {"number": order.number, "topology": order.topology, "schedule": order.schedule,
                "origin": order.origin, "within": order.within}
        future = self._client.submit(
            self.play, told, key=f"episode-{order.number}", pure=False, retries=RETRIES, resources={CLUSTER: 1},
            workers=sorted(self._fitting()), allow_other_workers=False)
        self._futures[order.number] = future, order
        future.add_done_callback(lambda done: self._done.put((done, order)))

    def _take(self, future: Any, order: Order) -> News | None:
        """What came of ``order``; None where its worker was lost before its result was here: another one plays it."""
        if future.status != "finished":
            why = future.exception(timeout=_ANSWERS_WITHIN) if future.status == "error" else future.status
            return News(0, order.number, say=f"its workers were lost: {why}", gone=True, hung=True)
        try:
            found = future.result(timeout=_ANSWERS_WITHIN)
        except TimeoutError:
            # told again when it is there
            future.add_done_callback(lambda done: self._done.put((done, order)))
            return None
        except Exception as error:  # whatever dask, or a worker that could not play, raises
            return News(0, order.number, say=f"its workers were lost: {error!r}", gone=True, hung=True)
        try:
            unpack(found["folder"], order.folder)
        except OSError as error:
            return News(0, order.number, say=f"what came back can't be kept: {error}", gone=True, hung=True)
        told = json.loads(found["outcome"])
        if "gone" in told:
            return News(0, order.number, say=told["gone"], gone=True, hung=True)
        return News(0, order.number, outcome=_moved(told, order.folder))

    def news(self, within: float) -> News | None:
        """As ``Crew.news``; what a worker does not end by itself, its own watchdog ends."""
        try:
            future, order = self._done.get(timeout=within)
        except queue.Empty:
            self._miss_workers()
            return None
        # not in the callback, which is dask's: a result may have to be waited for
        news = self._take(future, order)
        if news is not None:
            self._futures.pop(order.number, None)
        return news

    def _miss_workers(self) -> None:
        """Says that there is none, and in the end gives up.

        Raises:
            HostError: for too long there is no worker that fits.
        """
        if self._futures or self._fitting():
            self._missed_s = None
            return
        if self._missed_s is None:
            self._missed_s = time.monotonic()
            self.say(f"no worker that fits is at {self.scheduler}: fenceline worker {self.scheduler}")
        if time.monotonic() - self._missed_s > _NOBODY_S:
            raise HostError(f"for {_NOBODY_S:g} s no worker that fits was at {self.scheduler}; what was played is "
                            f"kept; start some (fenceline worker {self.scheduler}) and go on")

    def close(self) -> None:
        """Cancels what has not begun, and leaves the fleet."""
        for future, _ in self._futures.values():
            future.cancel()
        self._client.close()

    # -- who fits ------------------------------------------------------------------------------------------

    def _fitting(self) -> dict[str, int]:
        """The clusters that each worker can run at once, of those that run what the campaign runs; who comes or goes is
        seen a second later."""
        if time.monotonic() - self._looked_s < _LOOK_AGAIN_S:
            return self._places
        self._looked_s = time.monotonic()
        there = self._client.scheduler_info(n_workers=-1)["workers"]
        fresh = [address for address in there if address not in self._known]
        for address, identity in (self._client.run(identity_here, workers=fresh, on_error="return").items()
                                  if fresh else ()):
            why = difference(self.identity, identity if isinstance(identity, dict) else None)
            self._known[address] = why is None
            if why:
                self.say(f"the worker {there[address].get('name', address)} at {address} is refused: {why}")
        self._places = {address: int(one.get("resources", {}).get(CLUSTER, 0)) for address, one in there.items()
                        if self._known.get(address)}
        return self._places


def difference(wanted: dict[str, str], found: dict[str, str] | None) -> str | None:
    """Why a worker that runs ``found`` is no good where ``wanted`` is run, in words; None if it is."""
    if found is None:
        return "it was not started by `fenceline worker`"
    other = [f"its {name} is {found.get(name, 'not known')}, here it is {value}" for name, value in wanted.items()
             if found.get(name) != value]
    return "; ".join(other) or None


def _moved(told: dict[str, Any], folder: Path) -> str:
    """The outcome with its run folder where it is here."""
    name = Path(told.get("folder") or "").name
    return json.dumps({**told, "folder": str(folder / name) if name else str(folder)})
