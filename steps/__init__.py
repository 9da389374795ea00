"""Everything that a feature may say. ``fenceline.plugin`` makes these known to pytest, wherever the feature is."""

MODULES = [f"fenceline.steps.{name}" for name in (
    "given", "when", "when_fencing", "when_network", "when_node", "when_storage", "when_software", "when_anchored",
    "then", "ledger", "cluster_fs", "drbd", "remote", "then_directors", "then_client", "then_service", "when_service",
    "waiting")]
