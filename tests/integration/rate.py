"""Load at a fixed rate, over RPC and over HTTP: what was sent, answered, and answered correctly."""
import http.client
import json
import re
import subprocess
import threading
import time

from programs import QUERY, document_reply, program, without_times

# The documented request, with time enough on a machine that has other work.
LIMIT_MS = 20000
PATH = "/api/compute/concurrent?" + QUERY.replace("time_limit_ms=500", f"time_limit_ms={LIMIT_MS}")


class Rpc:
    """Calls through libtilery."""

    def __init__(self, urls, per_second):
        self.process = subprocess.Popen([program("tests/rate"), urls, str(per_second)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "begun\n":
            raise AssertionError(self.process.stderr.read())

    def end(self):
        """sent, answered, correct, answered again; and what is to be said of those that were not."""
        said, wrong = self.process.communicate(timeout=60)
        return [int(number) for number in re.findall(r"\d+", said)], wrong


class Http:
    """Requests to a bridge, each on a connection and a thread of its own, so that none waits for another."""

    def __init__(self, url, per_second):
        self.address, self.pause = url.removeprefix("http://"), 1 / per_second
        self.wanted = without_times(document_reply())
        self.wanted["params"]["time_limit_ms"] = LIMIT_MS
        self.sent, self.answered, self.correct, self.wrong = 0, [], [], []
        self.over = threading.Event()
        self.begun = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.begun.wait(60)

    def run(self):
        asking, at = [], time.monotonic()
        while not self.over.is_set():
            asking.append(threading.Thread(target=self.ask, args=[f"rate-{self.sent}"]))
            asking[-1].start()
            self.sent += 1
            at += self.pause
            self.over.wait(max(0, at - time.monotonic()))
        for thread in asking:
            thread.join(60)

    def ask(self, name):
        try:
            connection = http.client.HTTPConnection(self.address, timeout=20)
            connection.request("GET", PATH, headers={"X-Request-Id": name})
            response = connection.getresponse()
            body = response.read()
            connection.close()
        except OSError as error:
            self.wrong.append(f"{name}: {error!r}")
            return
        self.answered.append(response.headers["X-Request-Id"])
        self.begun.set()
        if response.status == 200 and without_times(json.loads(body)) == self.wanted:
            self.correct.append(name)
        else:
            self.wrong.append(f"{name}: {response.status} {body[:200]}")

    def end(self):
        self.over.set()
        self.thread.join(120)
        return [self.sent, len(set(self.answered)), len(self.correct), len(self.answered) - len(set(self.answered))], self.wrong
