"""The ledger: a daemon that appends numbered records to one file and acknowledges each when it is on the disk.

Runs in a guest under Debian's ``python3 -S`` with the standard library only.
Use: ledger.py FILE PORT PIDFILE SYNC SHARED

    POST /append   body: the record's number; appends "NUMBER NODE SEQUENCE", fsync, then 200
    GET /ledger    the whole file
    GET /          200, for who only asks whether it is there: when the file system has answered

SYNC 0 leaves out the fsync: a ledger that loses what it acknowledged, for tests of the judge.

SHARED 1: FILE is on a cluster file system, and other nodes append to it too. Each record is then first put into a file
of its own, which is removed again: a new file needs locks that nobody has yet, so that no record can be written while
the cluster's lock manager gives none. By locks that it holds already a node may rightly go on. And who appends has
locked the file (flock, which GFS2 and OCFS2 take from the cluster's lock manager, and which a node that dies loses with
its other locks): O_APPEND alone is no promise between nodes. GFS2 looks up where the file ends, lets go of its lock
and then writes, so that of two nodes that append at the same moment one overwrites the other's record.
"""

import fcntl
import os
import socket
import sys
import threading

LIMIT = 65536  # bytes of a request
SLOTS = 64  # requests at a time


class Ledger:
    """The file; one record at a time."""

    def __init__(self, path, sync, shared=False):
        self._lock = threading.Lock()
        self._sync = sync
        self._shared = shared
        self._node = socket.gethostname()
        self._sequence = 0
        self.path = path
        self._aside = f"{path}.{self._node}."
        if shared:  # what this node left when its power was cut
            folder = os.path.dirname(path)
            for name in os.listdir(folder):
                if f"{folder}/{name}".startswith(self._aside):
                    os.unlink(f"{folder}/{name}")
        self._fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        if sync:  # the file's name too
            folder = os.open(os.path.dirname(path), os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)

    def append(self, number):
        """Appends a record; raises OSError if it is not on the disk then."""
        with self._lock:
            self._sequence += 1
            line = b"%d %s %d\n" % (number, self._node.encode(), self._sequence)
            if self._shared:
                self._put_aside(line)
                fcntl.flock(self._fd, fcntl.LOCK_EX)
            try:
                if os.write(self._fd, line) != len(line):
                    raise OSError("a part of the record was written")
            finally:
                if self._shared:
                    fcntl.flock(self._fd, fcntl.LOCK_UN)
            if self._sync:
                os.fsync(self._fd)

    def _put_aside(self, line):
        name = f"{self._aside}{self._sequence}"
        fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        try:
            os.write(fd, line)
        finally:
            os.close(fd)
            os.unlink(name)

    def read(self):
        """All of it."""
        with self._lock, open(self.path, "rb") as file:
            return file.read()


def answer(ledger, method, path, body):
    """(status, body) for a request."""
    try:
        if method == b"POST" and path == b"/append":
            ledger.append(int(body))
            return 200, b""
        if method == b"GET" and path == b"/ledger":
            return 200, ledger.read()
        if method == b"GET" and path == b"/":
            os.statvfs(os.path.dirname(ledger.path))  # never answered from a cache, by NFS neither
            return 200, b""
        return 404, b""
    except ValueError:
        return 400, b""
    except OSError as error:
        return 500, str(error).encode()


def serve(peer, ledger, node):
    """One connection, one request."""
    with peer:
        peer.settimeout(5)
        try:
            raw = b""
            while b"\r\n\r\n" not in raw and len(raw) < LIMIT:
                chunk = peer.recv(4096)
                if not chunk:
                    return
                raw += chunk
            head, _, body = raw.partition(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            length = 0
            for line in lines[1:]:
                name, _, value = line.partition(b":")
                if name.strip().lower() == b"content-length":
                    length = min(int(value), LIMIT)
            while len(body) < length:
                chunk = peer.recv(4096)
                if not chunk:
                    return
                body += chunk
            method, path = lines[0].split()[:2]
            status, text = answer(ledger, method, path, body)
            head = b"HTTP/1.0 %d x\r\nContent-Length: %d\r\nX-Node: %s\r\n\r\n" % (status, len(text), node)
            peer.sendall(head + text)
        except (OSError, ValueError):
            pass


def main():
    path, port, pidfile, sync, shared = sys.argv[1:]
    with open("/proc/self/comm", "w") as file:
        file.write("ledger")  # pgrep -x finds it by that name, not as one more python3
    server = socket.create_server(("", int(port)), backlog=256)
    ledger = Ledger(path, sync == "1", shared == "1")
    with open(pidfile, "w") as file:
        file.write(f"{os.getpid()}\n")
    node = socket.gethostname().encode()
    # where the file system hangs, all would hang: who comes then waits to be accepted
    slots = threading.BoundedSemaphore(SLOTS)

    def work(peer):
        try:
            serve(peer, ledger, node)
        finally:
            slots.release()

    while True:
        slots.acquire()
        peer = server.accept()[0]
        threading.Thread(target=work, args=(peer,), daemon=True).start()


if __name__ == "__main__":
    main()
