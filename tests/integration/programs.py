"""What the tests of the programs share: real processes, real sockets, every port chosen by the system."""
import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("TILERY_BIN", os.path.join(ROOT, "build", "release"))
SANITIZED = "release" not in BIN  # programs that start slowly, and kernels that are as fast as ever
PROTO = os.path.join(ROOT, "proto")
DOCUMENT = os.path.join(ROOT, "tests", "vectors", "program-reference.md")
QUERY = "width=96&height=96&tile_w=32&tile_h=32&max_iter=128&time_limit_ms=500&num_threads=2"
OPTIONS = ["--" + pair.replace("_", "-") for pair in QUERY.split("&")]
RECORD_KEYS = ["task_id", "thread_id", "tile_x", "tile_y", "tile_w", "tile_h", "start_time_ms", "duration_ms",
               "pixels_computed"]
FIELDS = ["width", "height", "tile_w", "tile_h", "max_iter", "time_limit_ms", "num_threads"]
BAD_NUMBERS = ["", "x", "-1", "1.5", "+1", " 1", "1e3", "0x10", "4294967392", "99999999999999999999999"]


def until(holds, what, within_s=180):
    """Returns when it holds; fails when it does not come to hold at all. What takes long is looked at less often, as the
    looking takes time from others."""
    begun = time.monotonic()
    while not holds():
        waited = time.monotonic() - begun
        if waited > within_s:
            raise AssertionError(f"{what}: not within {within_s} s")
        time.sleep(min(waited / 10, 0.05))


def public_names():
    """The functions that the installed headers declare."""
    folder, names = os.path.join(ROOT, "client", "lib", "include", "tilery"), []
    for header in sorted(os.listdir(folder)):
        with open(os.path.join(folder, header), encoding="utf-8") as text:
            declared = re.sub(r"/\*.*?\*/|^#.*?$", "", text.read(), flags=re.DOTALL | re.MULTILINE)
        names += re.findall(r"\bTILERY_API\b[^;]*?\b(tilery_\w+)\(", declared)
    return sorted(names)


def program(name):
    return os.path.join(BIN, name)


class Process:
    """A server, ready when it says what it listens on; ended and checked by close(). within is what starts it."""

    def __init__(self, name, *arguments, within=()):
        self.process = subprocess.Popen([*within, program(name), *arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.fullmatch(r"listening on (\S+)\n", line)
        if found is None:
            raise AssertionError(f"{name} said {line!r} and {self.process.stderr.read()!r}")
        self.url = found.group(1)

    def close(self, sign=signal.SIGTERM, within_s=60):
        self.process.send_signal(sign)
        _, self.said = self.process.communicate(timeout=within_s)
        return self.process.returncode


def most_memory(process):
    """The most that a Process, or one of subprocess's, has had, in bytes; 0 under a sanitizer, whose own would count
    too."""
    pid = getattr(process, "process", process).pid
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        if "san.so" in maps.read():
            return 0
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) << 10


def tilery(server, *arguments):
    return subprocess.run([program("tilery"), "--server", server, *arguments], capture_output=True, text=True,
                          timeout=60, check=False)


def stats(server):
    """What the server says of itself, as text by name."""
    return dict(line.rsplit(" ", 1) for line in tilery(server, "stats").stdout.splitlines())


def wait_stats(server, **wanted):
    """Returns when the server's statistics have come to these values."""
    wanted = {name: str(value) for name, value in wanted.items()}
    until(lambda: wanted.items() <= stats(server).items(), f"{server} comes to {wanted}")


def connect(url, buffer=0, source=None):
    """A socket that is connected; it receives no more than about so many bytes ahead of its reader. source: its own
    address."""
    host, port = url.removeprefix("http://").split(":")
    peer = socket.socket()
    peer.settimeout(60)
    if buffer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    if source is not None:
        peer.bind((source, 0))
    peer.connect((host, int(port)))
    return peer


def get(url, path, method="GET", headers=None, body=None):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    return response, answer


class RawPeer:
    """A part of a test case whose server is self.server: one that speaks to nng's port without being libtilery."""

    def connect(self):
        host, port = self.server.url.removeprefix("tcp://").split(":")
        peer = socket.create_connection((host, int(port)), timeout=60)
        peer.sendall(b"\0SP\0\0\x30\0\0")
        self.assertEqual(peer.recv(8, socket.MSG_WAITALL), b"\0SP\0\0\x31\0\0")
        return peer

    def call(self, peer, body):
        peer.sendall(struct.pack(">QI", len(body) + 4, 0x80000001) + body)
        length, = struct.unpack(">Q", peer.recv(8, socket.MSG_WAITALL))
        return peer.recv(length, socket.MSG_WAITALL)[4:]


def fnv1a(data):
    value = 0xcbf29ce484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return value


def document_reply():
    with open(DOCUMENT, encoding="utf-8") as file:
        return json.loads(re.search(r"```json\n(.*?)```", file.read(), re.S).group(1))


def without_times(reply):
    """All that the document fixes: neither the times nor the order that follows from them."""
    records = [{**record, "start_time_ms": 0, "duration_ms": 0} for record in reply["data"]]
    return {**reply, "data": sorted(records, key=lambda record: record["task_id"])}


class ServedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Process("tileryd", "--listen", "tcp://127.0.0.1:0")
        cls.bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", cls.server.url)

    @classmethod
    def tearDownClass(cls):
        for process in (cls.bridge, cls.server):
            if process.close() != 0:
                raise AssertionError(f"{process.url} did not end with exit status 0: {process.said}")

    def check_documented(self, text):
        reply = json.loads(text)
        self.assertEqual(without_times(reply), without_times(document_reply()))
        self.assertEqual(list(reply), ["success", "data", "params", "message"])
        self.assertEqual(list(reply["params"]), FIELDS + ["mode"])
        for record in reply["data"]:
            self.assertEqual(list(record), RECORD_KEYS)
        starts = [record["start_time_ms"] for record in reply["data"]]
        self.assertEqual(starts, sorted(starts))
