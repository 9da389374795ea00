"""What the subcommands of ``fenceline`` do. Each takes the parsed arguments and returns the exit status."""
