"""Which file systems are made to be mounted on several nodes at once."""

#: They take their locks from the kernel's distributed lock manager, and freeze while a lost node is not fenced. NFS is
#: none of them here: an export that belongs to a failover service has one writer at a time, or what it holds is at the
#: mercy of two servers' caches.
CLUSTER_FILESYSTEMS = frozenset({"gfs2", "ocfs2"})
