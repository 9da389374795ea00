"""The User-Mode Linux kernel that the nodes run: the newest that Debian offers.

Since Linux 6.16 UML runs guest processes under seccomp rather than ptrace, which makes
forks about seven times faster; Debian's stable releases lag behind.  So the package is
taken from ``unstable``, together with the C library it was linked against, unpacked into
the cache (nothing is installed on the host) and pointed at that library with patchelf.
apt is given its own state directory and source list: the host's apt is read, not changed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from fenceline.core.clock import HOST_CLOCK
from fenceline.core.errors import HostError

SUITE = "unstable"
PACKAGES = ("user-mode-linux", "libc6")
HOST_BINARY = Path("/usr/bin/linux.uml")
HOST_MODULES = Path("/usr/lib/uml/modules")
BOOT_PROBE_LIMIT = 30.0  # seconds that the kernel may take to say how it runs processes


class UmlKernelError(HostError):
    """No UML kernel could be had; the message says why and what to do."""


@dataclass(frozen=True)
class UmlKernel:
    """A UML kernel in a folder of its own."""

    binary: Path  # runs as is
    modules: Path  # holds kernel/, modules.dep, ...: goes to the guest's /usr/lib/modules
    version: str  # what `uname -r` says in the guest
    package: str  # Debian's version of user-mode-linux
    source: str  # "unstable" or "host"
    seccomp: bool  # True if it was seen to boot with seccomp=on


def host_sources() -> list[Path]:
    """The host's own apt source files; the guest image is made from the same ones."""
    parts = sorted(Path("/etc/apt/sources.list.d").glob("*"))
    found = [p for p in parts if p.suffix in (".sources", ".list")]
    return [p for p in [Path("/etc/apt/sources.list"), *found] if p.is_file()]


@dataclass(frozen=True)
class AptSource:
    """One line of an apt source list, whichever way it was written."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""


def parse_sources(text: str) -> list[AptSource]:
    """Read both forms of apt's source lists: one-line (``deb ...``) and deb822 stanzas."""
    if re.search(r"^\s*deb\s", text, re.MULTILINE):
        return _parse_one_line(text)
    return _parse_deb822(text)


def _parse_one_line(text: str) -> list[AptSource]:
    found = []
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[(?P<opts>[^\]]*)\]\s+)?(?P<rest>\S.*)", line.split("#")[0])
        if not match:
            continue
        uri, suite, *components = match["rest"].split()
        opts = dict(o.split("=", 1) for o in shlex.split(match["opts"] or "") if "=" in o)
        found.append(AptSource(uri, (suite,), tuple(components), opts.get("signed-by", "")))
    return found


def _parse_deb822(text: str) -> list[AptSource]:
    found = []
    lines = [ln for ln in text.splitlines() if not ln.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        fields: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line[:1].isspace() and key:
                fields[key] += "\n" + line.strip()
            elif ":" in line:
                key, _, value = line.partition(":")
                key = key.strip().lower()
                fields[key] = value.strip()
        if "deb" not in fields.get("types", "").split():
            continue
        if fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        signed = fields.get("signed-by", "")
        for uri in fields.get("uris", "").split():
            found.append(
                AptSource(
                    uri,
                    tuple(fields.get("suites", "").split()),
                    tuple(fields.get("components", "").split()),
                    signed if signed.startswith("/") else "",
                )
            )
    return found


def debian_source(sources: list[AptSource]) -> AptSource:
    """The source with Debian's main archive (it has neither security nor updates in its suite)."""
    for source in sources:
        plain = [s for s in source.suites if not re.search(r"[-/]", s)]
        if plain and "main" in source.components and "security" not in source.uri:
            return source
    raise UmlKernelError("no Debian archive among the host's apt sources (/etc/apt); add one")


def run_logged(argv: list[str], log: Path, what: str, cwd: Path | None = None) -> None:
    """Runs a command with its output in ``log``. Raises UmlKernelError, which names ``what`` and the log."""
    with log.open("ab") as out:
        out.write(f"$ {shlex.join(argv)}\n".encode())
        out.flush()
        try:
            code = subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd
            ).returncode
        except FileNotFoundError as missing:
            raise UmlKernelError(
                f"{what}: command {argv[0]!r} is missing; install it"
            ) from missing
    if code:
        raise UmlKernelError(f"{what} failed (exit status {code}); see {log}")


def private_apt(work: Path, log: Path) -> list[str]:
    """Reads Debian ``SUITE``'s package list into ``work/apt``; gives the options that make apt use it.

    Raises UmlKernelError when the archive can't be reached. Downloads belong in ``work/apt/debs``.
    """
    source = debian_source([s for f in host_sources() for s in parse_sources(f.read_text())])
    apt = work / "apt"
    for sub in ("lists/partial", "cache/archives/partial", "debs"):
        (apt / sub).mkdir(parents=True)
    (apt / "status").touch()
    keyring = source.signed_by or "/usr/share/keyrings/debian-archive-keyring.gpg"
    signed = f"[signed-by={keyring}] " if Path(keyring).is_file() else ""
    (apt / "sources.list").write_text(f"deb {signed}{source.uri} {SUITE} main\n")
    settings = {
        "Dir::Etc::SourceList": apt / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State::Lists": apt / "lists",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt / "cache",
        "APT::Sandbox::User": "root",
        "APT::Architecture": "amd64",
        "APT::Get::List-Cleanup": "false",
        # A host's hooks on `apt update` are about the host's own lists.
        "APT::Update::Post-Invoke-Success": "",
        "Acquire::Retries": "2",
    }
    options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    # apt-get update exits 0 even when a source could not be reached.
    run_logged(
        ["apt-get", *options, "-o", "APT::Update::Error-Mode=any", "update"],
        log,
        f"reading Debian {SUITE}'s package list",
    )
    return options


def _fetch(work: Path, log: Path) -> tuple[Path, str]:
    """Download and unpack the packages; gives the folder and Debian's version."""
    options = private_apt(work, log)
    apt = work / "apt"
    run_logged(
        ["apt-get", *options, "download", *PACKAGES],
        log,
        f"downloading {', '.join(PACKAGES)} of Debian {SUITE}",
        cwd=apt / "debs",
    )
    root = work / "root"
    package = ""
    for deb in sorted((apt / "debs").glob("*.deb")):
        if deb.name.startswith("user-mode-linux_"):
            package = deb.name.split("_")[1].replace("%3a", ":")
        run_logged(["dpkg-deb", "-x", str(deb), str(root)], log, f"unpacking {deb.name}")
    return root, package


def _assemble(root: Path, out: Path, final: Path, log: Path) -> None:
    """Lay out the kernel and its C library in `out`, to be run from `final`."""
    shutil.move(root / "usr/bin/linux.uml", out / "linux.uml")
    libs = next(p for p in root.glob("**/libc.so.6")).parent
    shutil.copytree(libs, out / "lib", symlinks=False, ignore=shutil.ignore_patterns("gconv"))
    (modules,) = [p for p in (root / "usr/lib/uml/modules").iterdir() if p.is_dir()]
    shutil.move(modules, out / "modules")
    run_logged(
        [
            "patchelf",
            "--set-interpreter", str(final / "lib/ld-linux-x86-64.so.2"),
            "--set-rpath", str(final / "lib"),
            str(out / "linux.uml"),
        ],
        log,
        "pointing the UML kernel at its C library",
    )  # fmt: skip


def _version(binary: Path) -> str:
    try:
        answer = subprocess.run(
            [binary, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UmlKernelError(f"the UML kernel {binary} does not run: {error}") from error
    version = answer.stdout.decode(errors="replace").strip().splitlines()
    if answer.returncode or not version:
        raise UmlKernelError(f"the UML kernel {binary} does not run: {answer.stderr[-200:]!r}")
    return version[-1].strip()


def runs_with_seccomp(binary: Path, log: Path) -> bool:
    """Boot the kernel with seccomp=on and no disk; True if it says it uses seccomp.

    It says so before it looks for its root, whose absence then makes it panic and exit.
    """
    with tempfile.TemporaryDirectory(prefix="fenceline-uml-") as tmp:
        console = Path(tmp, "console")
        with console.open("wb") as out:
            child = subprocess.Popen(
                [binary, "seccomp=on", "mem=64M", "con=null", "con0=null,fd:1", "panic=1",
                 f"uml_dir={tmp}", "umid=probe"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )  # fmt: skip
        try:
            deadline = HOST_CLOCK.now() + BOOT_PROBE_LIMIT
            booted = False
            while not booted and HOST_CLOCK.now() < deadline:
                ended = child.poll() is not None
                text = console.read_text(errors="replace")
                booted = "Linux version" in text and "VFS:" in text
                if ended:
                    break
                HOST_CLOCK.sleep(0.05)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        text = console.read_text(errors="replace")
    with log.open("a") as out:
        out.write(f"--- {binary} seccomp=on\n{text}\n")
    return booted and bool(re.search(r"seccomp.*\bOK\b|using seccomp", text, re.IGNORECASE))


def fetch_uml_kernel(out: Path, final: Path, log: Path, say: Callable[[str], None]) -> UmlKernel:
    """Put the newest kernel to be had into `out` (to be renamed to `final` by the caller)."""
    out.mkdir(parents=True, exist_ok=True)
    source, package = SUITE, ""
    work = Path(tempfile.mkdtemp(prefix="uml-", dir=out.parent))
    try:
        root, package = _fetch(work, log)
        # It is first tried where it stands, then pointed at its final place.
        _assemble(root, out, out, log)
        version = _version(out / "linux.uml")
        seccomp = runs_with_seccomp(out / "linux.uml", log)
        run_logged(
            ["patchelf",
             "--set-interpreter", str(final / "lib/ld-linux-x86-64.so.2"),
             "--set-rpath", str(final / "lib"), str(out / "linux.uml")],
            log,
            "pointing the UML kernel at its C library",
        )  # fmt: skip
    except (UmlKernelError, StopIteration, ValueError, OSError) as why:
        say(f"UML kernel of Debian {SUITE} not usable ({why}); trying the host's own")
        source = "host"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        package, version, seccomp = _from_host(out, log, why)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    kernel = UmlKernel(final / "linux.uml", final / "modules", version, package, source, seccomp)
    record = {k: str(v) if isinstance(v, Path) else v for k, v in asdict(kernel).items()}
    (out / "uml-kernel.json").write_text(json.dumps(record, indent=2) + "\n")
    return kernel


def _from_host(out: Path, log: Path, why: Exception) -> tuple[str, str, bool]:
    modules = sorted(HOST_MODULES.iterdir()) if HOST_MODULES.is_dir() else []
    if not HOST_BINARY.is_file() or not modules:
        raise UmlKernelError(
            f"no UML kernel: {why}; and the host has no user-mode-linux package: install it"
        )
    shutil.copy2(HOST_BINARY, out / "linux.uml")
    version = _version(out / "linux.uml")
    matching = [m for m in modules if m.name == version] or modules[-1:]
    shutil.copytree(matching[0], out / "modules", symlinks=True)
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", "user-mode-linux"], capture_output=True, text=True
    )
    return asked.stdout.strip(), version, runs_with_seccomp(out / "linux.uml", log)
