"""Nothing but the root of what pytest collects: the plugin is fenceline.plugin (see pyproject.toml), and it brings the
steps."""
