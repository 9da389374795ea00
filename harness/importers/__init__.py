"""From configurations that people have to topologies, and what of them could not be said."""
