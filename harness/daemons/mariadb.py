"""MariaDB as the service of a cluster, whatever its stack: its files on the group's file system, and an account with
one table for the clients that commit numbered rows."""

from __future__ import annotations

from fenceline.guest.seed import Seed
from fenceline.model.topology import Service

CONF = "/etc/mysql/my.cnf"  # what the OCF agent, the init script and the unit all read
INIT = "/etc/mysql/fenceline.sql"
DATA = "mysql"  # the folder of the data on the file system, beside lost+found
USER = "fenceline"
TABLE = "fenceline.ledger"
_SOCKET, _PID, _LOG = "/run/mysqld/mysqld.sock", "/run/mysqld/mysqld.pid", "/var/log/mysql/error.log"
#: Read at every start before any client is let in, one statement a line. No password: the fabric is closed.
_INIT_SQL = f"""\
CREATE DATABASE IF NOT EXISTS fenceline;
CREATE TABLE IF NOT EXISTS {TABLE} (sequence BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, \
id BIGINT UNSIGNED NOT NULL, node VARCHAR(64) NOT NULL) ENGINE=InnoDB;
CREATE USER IF NOT EXISTS {USER}@'%';
GRANT SELECT, INSERT ON fenceline.* TO {USER}@'%';
"""


def data_folder(service: Service) -> str:
    """Where the database has its files."""
    return f"{service.filesystem.mountpoint}/{DATA}"


def seed_mariadb(seed: Seed, service: Service) -> None:
    """Gives the node of ``seed`` the configuration of the database, if that is the daemon of ``service``."""
    if service.daemon is None or service.daemon.name != "mariadb":
        return
    seed.add(CONF, my_cnf(service))
    seed.add(INIT, _INIT_SQL)
    seed.setup.append("install -d -o mysql -g mysql /run/mysqld /var/log/mysql")


def parameters(service: Service) -> dict[str, str]:
    """What ocf:heartbeat:mysql is told. The daemon itself, not mysqld_safe: that one would restart it behind the
    cluster's back."""
    return {"binary": "/usr/sbin/mariadbd", "client_binary": "/usr/bin/mariadb", "config": CONF,
            "datadir": data_folder(service), "pid": _PID, "socket": _SOCKET, "log": _LOG}


def my_cnf(service: Service) -> str:
    """my.cnf: small, and quick to start."""
    daemon = service.daemon
    lines = ["[client]", f"socket={_SOCKET}", "[mysqld]", "user=mysql", f"datadir={data_folder(service)}",
             f"socket={_SOCKET}", f"pid-file={_PID}", f"log-error={_LOG}", f"port={daemon.port}",
             "bind-address=0.0.0.0", "skip-name-resolve", f"init-file={INIT}",
             f"innodb_flush_log_at_trx_commit={int(daemon.sync)}",
             "innodb_buffer_pool_size=32M", "innodb_log_file_size=16M",
             "innodb_temp_data_file_path=ibtmp1:1M:autoextend", "key_buffer_size=1M",
             "aria_pagecache_buffer_size=4M", "performance_schema=OFF", "thread_cache_size=64",
             # the client observer connects 100 times a second, and leaves without a word when it has its answer
             "max_connections=400", "max_connect_errors=4294967295", "log_warnings=1", "connect_timeout=3"]
    if not daemon.sync:
        # else what it holds back would be written once a second
        lines.append("innodb_flush_log_at_timeout=600")
    return "\n".join(lines) + "\n"
