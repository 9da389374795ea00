"""An adopted cluster: all that was made of it, and how it is written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fenceline.accept.budget import Budget
from fenceline.accept.fate import Fates
from fenceline.accept.finding import Finding
from fenceline.accept.original import Original
from fenceline.core.errors import FencelineError
from fenceline.model.topology import Topology


@dataclass
class Project:
    """``files`` {path in the project: (text, mode)}; the rest is what they were made of."""

    original: Original
    topology: Topology
    budget: Budget
    findings: list[Finding]
    fates: Fates
    questions: list[tuple[str, str, str]]
    files: dict[str, tuple[str, int]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Writes all of it into ``folder``.

        Raises:
            FencelineError: something is there that would be written over; nothing has been written then.
        """
        taken = sorted(name for name in self.files if (folder / name).exists() or (folder / name).is_symlink())
        if taken:
            raise FencelineError(f"in the way in {folder}: {', '.join(taken[:5])}; nothing was written. Name a folder "
                                 "of its own: --into DIR")
        for name, (text, mode) in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="") as file:
                file.write(text)
            path.chmod(mode)
