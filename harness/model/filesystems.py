"""Which file systems are made to be mounted on several nodes at once."""

#: They take their locks from the kernel's distributed lock manager, and freeze while a lost node is not fenced. NFS is
#: none of them here: an export that belongs to a failover service has one writer at a time, or what it holds is at the
#: mercy of two servers' caches.
CLUSTER_FILESYSTEMS = frozenset({"gfs2", "ocfs2"})

#: GFS2's smallest journal; a disk must hold one for each node, and something beside.
JOURNAL = 8 * 2**20


def journal_problems(path: str, size: int, journals: int) -> list[str]:
    """What is wrong with a disk of ``size`` bytes for a cluster file system with so many ``journals``, in words."""
    least = JOURNAL * (journals + 4)
    return [] if size >= least else [f"{path}.size: {size // 2**20}M is too little for {journals} journals, take at "
                                     f"least {least // 2**20}M"]
