"""The daemons that this package declares: a YAML file each, under its name."""

from pathlib import Path

from fenceline.model.declared import declare

for _path in sorted(Path(__file__).parent.glob("*.yaml")):
    declare(_path)
