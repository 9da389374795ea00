"""What a machine's kernel says on its console, and what that tells of its end."""

from __future__ import annotations

from pathlib import Path

#: What a kernel says last before it ends by itself, and why that is (Linux, kernel/reboot.c and softdog.c).
_LAST_WORDS = ((b"softdog: Initiating system reboot", "watchdog"), (b"reboot: Restarting system", "reboot"),
               (b"reboot: Power down", "poweroff"), (b"reboot: System halted", "poweroff"))


class FileTail:
    """What is written to the file ``path`` from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0

    def says(self, words: bytes) -> bool:
        """Whether ``words`` are in it by now."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                return words in file.read()
        except OSError:
            return False


def why_ended(console: FileTail | None, otherwise: str) -> str:
    """What made the kernel that writes to ``console`` end by itself: its watchdog, a clean reboot or shutdown, or, of
    whom nothing is heard, what is thought ``otherwise``."""
    said = (why for words, why in _LAST_WORDS if console is not None and console.says(words))
    return next(said, otherwise)


def console_tail(path: Path, lines: int = 15) -> str:
    """The last ``lines`` of a console, for an error's detail."""
    try:
        text = path.read_bytes()[-20_000:].decode(errors="replace")
    except OSError:
        return f"(no console at {path})"
    return f"last lines of {path}:\n" + "\n".join("  " + line.rstrip() for line in text.splitlines()[-lines:])
