"""Everything that a feature may say. ``harness.plugin`` makes these known to pytest, wherever the feature is."""

MODULES = ["steps.given", "steps.when", "steps.when_fencing", "steps.when_network", "steps.when_node",
           "steps.when_storage", "steps.when_software", "steps.when_anchored", "steps.then", "steps.ledger",
           "steps.cluster_fs", "steps.drbd", "steps.remote", "steps.then_directors", "steps.then_client",
           "steps.then_service", "steps.when_service", "steps.waiting"]
