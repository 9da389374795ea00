"""The rules, a module a subject; see ``fenceline.accept.finding``."""
