"""Patroni with etcd, for Fenceline: a stack, a daemon, a fault and a promise of its own."""
