"""A libvirtd of our own: started inside the fabric's namespace, seen and used by nobody else, gone without a trace.

libvirtd run by root has its folders compiled in (/run/libvirt, /var/lib/libvirt, ...), where the host's own libvirtd
and those of other runs would meet it. But `ip netns exec` gives it a mount namespace of its own anyway, so folders of
ours are mounted over these there. The host sees none of that, except empty folders where it had none.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
from pathlib import Path

import libvirt

from fenceline.core.clock import HOST_CLOCK
from fenceline.core.errors import HostError, MachineError
from fenceline.core.places import cache_dir
from fenceline.journal.journal import Journal
from fenceline.machines import process
from fenceline.machines.fabric import Fabric

#: What each program comes from.
PACKAGES = {"libvirtd": "libvirt-daemon", "qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils"}
START_LIMIT = 20.0  # seconds; it takes 50 ms
_USER = "libvirt-qemu"

# root without cgroups and security labels: the machines are confined by the fabric, and on a host (or in a
# container) without systemd libvirt can have neither
_QEMU_CONF = """\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
"""
_LIBVIRTD_CONF = """\
unix_sock_dir = "/run/libvirt"
auth_unix_rw = "none"
"""
_SCRIPT = """\
set -e
own=$1; cache=$2
mkdir -p /run/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt /etc/libvirt
mount --bind "$cache" /var/cache/libvirt
mount --bind "$own/lib" /var/lib/libvirt
mount --bind "$own/log" /var/log/libvirt
mount --bind "$own/etc" /etc/libvirt
mount --bind "$own/passwd" /etc/passwd
mount --bind "$own/group" /etc/group
mount --bind "$own/run" /run/libvirt
exec libvirtd -f /etc/libvirt/libvirtd.conf -p /run/libvirt/libvirtd.pid
"""


def require_programs() -> None:
    """Raises:
        HostError: something that the driver runs is not installed; says how to install all of it.
    """
    missing = [name for name in PACKAGES if shutil.which(name, path=_path()) is None]
    if missing:
        raise HostError(f"the libvirt driver needs {', '.join(missing)}: "
                        f"apt-get install {' '.join(PACKAGES[name] for name in missing)}")


def _path() -> str:
    return os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"


_loop_lock = threading.Lock()
_loop: threading.Thread | None = None


def ensure_event_loop() -> None:
    """Starts the one thread of this process that libvirt's events are delivered in. To be called before the first
    connection is opened; may be repeated."""
    global _loop
    with _loop_lock:
        if _loop is None:
            # errors come as exceptions: libvirt need not print them too
            libvirt.registerErrorHandler(lambda _context, _error: None, None)
            libvirt.virEventRegisterDefaultImpl()
            _loop = threading.Thread(target=_run_event_loop, name="libvirt-events", daemon=True)
            _loop.start()


def _run_event_loop() -> None:
    while True:
        with contextlib.suppress(libvirt.libvirtError):
            libvirt.virEventRunDefaultImpl()


def open_connection(uri: str) -> libvirt.virConnect:
    """A connection to ``uri`` whose events are delivered.

    Raises:
        HostError: libvirt can't be reached there.
    """
    ensure_event_loop()
    try:
        return libvirt.open(uri)
    except libvirt.libvirtError as error:
        raise HostError(f"can't connect to libvirt at {uri}: {error}") from error


class Libvirtd:
    """A private libvirtd with all its files in ``folder``. Not usable before ``start``."""

    def __init__(self, fabric: Fabric, journal: Journal, folder: Path) -> None:
        self._fabric = fabric
        self._journal = journal
        self.folder = folder
        self._process: subprocess.Popen | None = None
        self._entries: list[int] = []
        self._mounts = ""
        self._log = folder / "libvirtd.log"

    @property
    def uri(self) -> str:
        """Where libvirt's clients find it."""
        return f"qemu+unix:///system?socket={self.folder}/run/libvirt-sock"

    def start(self) -> None:
        """Returns when it answers.

        Raises:
            HostError: a program is missing, or it does not start; with the end of its log.
        """
        require_programs()
        if len(str(self.folder / "run/libvirt-admin-sock")) > 107:  # sizeof(sockaddr_un.sun_path) - 1
            raise HostError(f"{self.folder} is too long a path for a Unix socket: set TMPDIR to a shorter one")
        self._entries.append(self._journal.begin("folder", path=str(self.folder)))
        cache = self._make_files()
        # libvirt takes a QEMU for alive until it is reaped, and gives its name to no other before
        process.adopt_orphans()
        with self._log.open("ab") as log:
            # `ip netns exec` and sh exec: the pid is libvirtd's. Its domains leave its session by themselves.
            self._process = subprocess.Popen(
                self._fabric.command(["sh", "-c", _SCRIPT, "libvirtd", str(self.folder), str(cache)]),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.folder,
                # no system bus: it must not ask the host's systemd, firewalld or polkit for anything
                env={"PATH": _path(), "LANG": "C.UTF-8", "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"})
        pid = self._process.pid
        self._entries.append(self._journal.begin(
            "process", pid=pid, start_time=process.start_time(pid), group=False))
        self._wait_until_it_answers()
        self._mounts = os.readlink(f"/proc/{pid}/ns/mnt")

    def _make_files(self) -> Path:
        for name in ("run", "lib", "log", "etc"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "etc/qemu.conf").write_text(_QEMU_CONF)
        (self.folder / "etc/libvirtd.conf").write_text(_LIBVIRTD_CONF)
        # it refuses to start without the user of its package libvirt-daemon-system, even if told to use root
        for name, line in (("passwd", f"{_USER}:x:0:0::/nonexistent:/usr/sbin/nologin\n"),
                           ("group", f"{_USER}:x:0:\n")):
            text = Path("/etc", name).read_text()
            (self.folder / name).write_text(text if f"\n{_USER}:" in text else text.rstrip("\n") + "\n" + line)
        # what QEMU can do takes seconds to find out, and is the same in the next run
        cache = cache_dir() / "libvirt"
        cache.mkdir(parents=True, exist_ok=True)
        return cache

    def _wait_until_it_answers(self) -> None:
        deadline = HOST_CLOCK.now() + START_LIMIT
        socket = self.folder / "run/libvirt-sock"
        while not socket.exists():
            if self._process.poll() is not None or HOST_CLOCK.now() > deadline:
                raise HostError("libvirtd does not start", self._tail(self._log))
            HOST_CLOCK.sleep(0.01)

    def qemu_pid(self, domain: str) -> int:
        """The pid of the QEMU process that runs ``domain``.

        Raises:
            MachineError: it has none.
        """
        path = self.folder / "run/qemu" / f"{domain}.pid"
        try:
            return int(path.read_text())
        except (OSError, ValueError) as error:
            raise MachineError(f"{domain} has no QEMU process: {path}: {error}", self.qemu_log(domain)) from error

    def qemu_log(self, domain: str) -> str:
        """The end of what QEMU said of ``domain``, for an error's detail."""
        return self._tail(self.folder / "log/qemu" / f"{domain}.log")

    @staticmethod
    def _tail(path: Path, lines: int = 12) -> str:
        try:
            text = path.read_text(errors="replace")
        except OSError:
            return f"(no log at {path})"
        return f"last lines of {path}:\n" + "\n".join("  " + line for line in text.splitlines()[-lines:])

    def stop(self) -> None:
        """Ends it and every process that it started, and removes its folder. May be repeated.

        Raises:
            MachineError: a process survives.
        """
        if self._process is not None:
            self._process.kill()  # nothing that it could save is worth keeping
            self._process.wait()
            self._process = None
            self._kill_children()
        shutil.rmtree(self.folder, ignore_errors=True)
        while self._entries:
            self._journal.done(self._entries.pop())

    def _kill_children(self) -> None:
        """Kills what libvirtd started and did not end, by the mount namespace that only it and they are in."""
        for pid in process.kill_all(self._children):
            process.reap(pid)

    def _children(self) -> list[int]:
        found = []
        for entry in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if entry.isdigit() and self._mounts and os.readlink(f"/proc/{entry}/ns/mnt") == self._mounts:
                    found.append(int(entry))
        return found
