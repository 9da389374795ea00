"""Nothing but the root of what pytest collects: the plugin is harness.plugin (see pyproject.toml), and it brings the
steps."""
