"""``init``: a project to begin with."""

from __future__ import annotations

import argparse
import tomllib
from importlib.metadata import version
from pathlib import Path

from fenceline.commands.cluster import say
from fenceline.core.errors import FencelineError

_SKELETON = Path(__file__).with_name("project")
#: Each file of a project, and what it is made of.
_FILES = {"features/first.feature": "features/first.feature", "topologies/my-web.yaml": "topologies/my-web.yaml",
          "pytest.ini": "pytest.ini", ".gitignore": "gitignore"}
#: Where each place that runs CI looks for its file, and what that is made of.
CI = {"github": (".github/workflows/fenceline.yml", "ci/github.yml"), "gitlab": (".gitlab-ci.yml", "ci/gitlab.yml"),
      "jenkins": ("Jenkinsfile", "ci/Jenkinsfile")}


class InTheWay(FencelineError):
    """A project can't be made there."""


def init(args: argparse.Namespace) -> int:
    """Makes a project, with the file for ``args.ci``; nothing that is there is written over.

    Raises:
        InTheWay: something is there that would be; nothing has been written then.
    """
    folder = Path(args.folder)
    files = dict(_FILES)
    if args.ci != "none":
        name, source = CI[args.ci]
        files[name] = source
    taken = [name for name in files if (folder / name).exists() or (folder / name).is_symlink()]
    if _has_pytest_settings(folder / "pyproject.toml"):
        taken.append("pyproject.toml (pytest.ini would hide its pytest settings)")
    if taken:
        raise InTheWay(f"in the way in {folder}: {', '.join(taken)}; nothing was written. "
                       "Name a folder of its own: fenceline init DIR")
    for name, source in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(_filled((_SKELETON / source).read_text(encoding="utf-8")))
        print(target)
    say("next:\n" + (f"  cd {folder}\n" if folder != Path(".") else "")
        + "  fenceline doctor          # what this host lacks\n"
          "  fenceline image build     # once, some minutes\n"
          "  pytest                    # features/first.feature on machines")
    return 0


def _filled(text: str) -> str:
    from fenceline.host.info import host_packages

    return text.replace("@VERSION@", version("fenceline")).replace("@PACKAGES@", " ".join(host_packages()))


def _has_pytest_settings(pyproject: Path) -> bool:
    try:
        return "pytest" in tomllib.loads(pyproject.read_text(encoding="utf-8")).get("tool", {})
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise InTheWay(f"{pyproject}: {error}") from error
