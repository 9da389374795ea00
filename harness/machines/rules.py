"""What the switch of a cluster does with frames, as tables of nftables on the bridges of the fabric's namespace."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fenceline.machines.frames import Watch, count_frames


class BridgeRules:
    """A part of ``fenceline.machines.fabric.Fabric``: the one that its networks' rules are made by. Tables live side by
    side; each has a name of its own."""

    def run(self, arguments: Sequence[str], text: str | None = None) -> str:
        """Runs a command in the namespace."""
        raise NotImplementedError

    def tap(self, node: str, network: str) -> str:
        """The device of ``node``'s cable in ``network``."""
        raise NotImplementedError

    def lose(self, name: str, links: Sequence[tuple[str, str, str]], percent: float = 100.0) -> None:
        """From now on ``percent`` % of the frames of each (network, sender, receiver) are lost."""
        lost = ", ".join(f"{self.tap(sender, network)} . {self.tap(receiver, network)}"
                         for network, sender, receiver in links)
        threshold = round(percent * 100)
        # nft refuses a comparison that is always true
        chance = f"numgen random mod 10000 < {threshold} " if threshold < 10000 else ""
        self.run(["nft", "-f", "-"], f"""
table bridge {name} {{
    set lost {{ type ifname . ifname; elements = {{ {lost} }} }}
    chain links {{ type filter hook forward priority -200; iifname . oifname @lost {chance}drop; }}
}}
""")

    def has_rules(self, name: str) -> bool:
        """Whether rules of this name are in force."""
        return name in self.run(["nft", "list", "tables", "bridge"]).split()

    def remove_rules(self, name: str) -> None:
        """Takes the rules of this name away."""
        self.run(["nft", "delete", "table", "bridge", name])

    def count_frames(self, watches: Sequence[Watch], seconds: float,
                     provoke: Callable[[], None] | None = None) -> list[int]:
        """How many frames each of ``watches`` saw within ``seconds``, and while ``provoke`` made somebody send them."""
        return count_frames(self, watches, seconds, provoke)
