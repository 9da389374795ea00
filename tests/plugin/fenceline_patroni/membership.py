"""A watch that tells the agent who is a member, by Patroni's and etcd's own words.

Runs in the guests, beside agent.py; standard library only.
"""

import http.client
import json
import threading
import time

POLL = 0.5  # s
#: A question that was not answered is no loss of quorum yet: etcd tells a busy machine so, too (s).
DOUBT = 4.0
RUNNING = ("running", "streaming")


def members(text):
    """Who runs, as Patroni's /cluster tells."""
    return sorted(one["name"] for one in json.loads(text)["members"] if one.get("state") in RUNNING)


def ask(port, path):
    """What the daemon at ``port`` answers; None where it does not, or not well."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read()
        return text if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Watch(threading.Thread):
    """A member that etcd's majority hears, and whose Patroni runs, is quorate."""

    def __init__(self, config, tell):
        super().__init__(daemon=True)
        self._tell = tell
        self._heard = None  # when both last answered
        self._members = []

    def run(self):
        while True:
            self.look()
            time.sleep(POLL)

    def look(self):
        """Asks both, and tells."""
        health, told = ask(2379, "/health"), ask(8008, "/cluster")
        now = time.monotonic()
        if told is not None:
            self._members = members(told)
        if health is not None and b'"true"' in health and told is not None:
            self._heard = now
        quorate = self._heard is not None and now - self._heard < DOUBT
        self._tell({"quorate": quorate, "members": self._members if quorate else []}, None)


def watch(config, tell):
    """The watch, which calls ``tell(state, problem)``."""
    return Watch(config, tell)
