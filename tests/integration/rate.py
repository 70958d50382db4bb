"""Load at a fixed rate, over RPC and over HTTP: what was sent, answered, and answered correctly."""
import http.client
import json
import re
import subprocess
import threading
import time

from programs import program

# Longer than a connection may be silent before it is given up. Who gets no answer for so long counts it as lost.
LIMIT_S = 120
# Of tests/vectors/kernel_vectors.csv: width, height, max_iter and the sum of all counts. Each request has its own by its
# number; two long ones, one after the other, come every 24 seconds, as in rate.c.
IMAGES = [(16, 12, 50, 3000), (33, 17, 255, 33438), (64, 64, 256, 249382), (96, 96, 128, 298025), (97, 89, 128, 276816),
          (100, 100, 1000, 2224688), (400, 300, 128, 3881252)]
LONG = (127, 113, 65535, 202978798)
TILE = 32


class Rpc:
    """Calls through libtilery."""

    def __init__(self, urls, per_second):
        self.process = subprocess.Popen([program("tests/rate"), urls, str(per_second)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "begun\n":
            raise AssertionError(self.process.stderr.read())

    def end(self):
        """sent, answered, correct, answered again; and what is to be said of those that were not."""
        said, wrong = self.process.communicate(timeout=2 * LIMIT_S)
        return [int(number) for number in re.findall(r"\d+", said)], wrong


class Http:
    """Requests to a bridge, each on a connection and a thread of its own, so that none waits for another."""

    def __init__(self, url, per_second):
        self.address, self.per_second = url.removeprefix("http://"), per_second
        self.sent, self.answered, self.correct, self.wrong = 0, [], [], []
        self.over = threading.Event()
        self.begun = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.begun.wait(60)

    def run(self):
        asking, at = [], time.monotonic()
        while not self.over.is_set():
            is_long = self.sent % (24 * self.per_second) < 2
            image = LONG if is_long else IMAGES[self.sent % len(IMAGES)]
            asking.append(threading.Thread(target=self.ask, args=[f"rate-{self.sent}", image, is_long], daemon=True))
            asking[-1].start()
            self.sent += 1
            at += 1 / self.per_second
            self.over.wait(max(0, at - time.monotonic()))
        for thread in asking:
            thread.join(LIMIT_S + 60)

    def ask(self, name, image, is_long):
        width, height, max_iter, iterations = image
        path = (f"/api/compute/concurrent?summary=1&width={width}&height={height}&tile_w={TILE}&tile_h={TILE}"
                f"&max_iter={max_iter}&time_limit_ms={LIMIT_S * 1000}&num_threads=2")
        connection = http.client.HTTPConnection(self.address, timeout=LIMIT_S)
        try:
            connection.request("GET", path + "&kernel=scalar" * is_long, headers={"X-Request-Id": name})
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.wrong.append(f"{name}: {error!r}")
            return
        finally:
            connection.close()
        self.begun.set()
        if response.status != 200:
            self.wrong.append(f"{name}: {response.status} {body[:200]}")
            return
        self.answered.append(response.headers["X-Request-Id"])
        reply = json.loads(body)
        tiles = list(range(-(-width // TILE) * -(-height // TILE)))
        if sorted(record["task_id"] for record in reply["data"]) == tiles and reply["summary"]["iterations"] == iterations:
            self.correct.append(name)
        else:
            self.wrong.append(f"{name}: {body[:200]}")

    def end(self):
        self.over.set()
        self.thread.join(2 * LIMIT_S)
        return [self.sent, len(set(self.answered)), len(self.correct), len(self.answered) - len(set(self.answered))], self.wrong
