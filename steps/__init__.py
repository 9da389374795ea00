"""Everything that a feature may say, in modules of an entry point of ``fenceline.steps``: pytest knows their sentences
wherever the feature is."""
