#!/usr/bin/env python3
"""Peers that are gone without a word: what both ends notice of it."""
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import unittest

import test_programs
from programs import OPTIONS, Process, connect, get, program, until, wait_stats
from test_connections import ENDLESS as BUSY, request

PIDFD_GETFD = 438
ENDLESS = ["compute", *test_programs.Signals.ENDLESS, "--time-limit-ms=600000"]


@contextlib.contextmanager
def endless_client(server_url, within=()):
    """A client whose request stays at work."""
    client = subprocess.Popen([*within, program("tilery"), "--server", server_url, *ENDLESS], text=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield client
    finally:
        client.kill()
        client.communicate()


def wait_busy(server_url, within=()):
    """Returns when the only thread of a server is taken by a run that stays."""
    small = [*within, program("tilery"), "--server", server_url, "--timeout-ms=200", "compute", "--width=1",
             "--height=1"]
    while subprocess.run(small, capture_output=True, timeout=60, check=False).returncode != 4:
        pass


class Still(unittest.TestCase):
    """A server that stands still, and says nothing to a cancel."""

    def test_what_was_asked_by_those_who_left_is_not_kept(self):
        server = Process("tileryd", "--listen", "tcp://127.0.0.1:0")
        self.addCleanup(server.process.kill)
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", server.url)
        self.addCleanup(bridge.process.kill)
        peers = [connect(bridge.url) for _ in range(3)]
        for peer, path in zip(peers, ("concurrent?", "concurrent?data=1&", "image.png?")):
            peer.sendall(request(f"/api/compute/{path}num_threads=1&tile_w=1024&tile_h=1024&{BUSY}"))
        wait_stats(server.url, runs_running=3)
        server.process.send_signal(signal.SIGSTOP)
        for peer in peers:
            peer.close()
        until(lambda: b"tilery_bridge_requests_in_hand 1\n" in get(bridge.url, "/metrics")[1],
              "the bridge has nothing in hand but this")
        self.assertEqual(bridge.close(), 0)
        server.process.send_signal(signal.SIGCONT)
        wait_stats(server.url, runs_running=0)
        self.assertEqual(server.close(), 0)

    def test_who_stays_is_told_so_in_the_bridge_s_own_time(self):
        server = Process("tileryd", "--listen", "tcp://127.0.0.1:0")
        self.addCleanup(server.process.kill)
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", server.url, "--backend-timeout-s", "1")
        self.addCleanup(bridge.process.kill)
        longer = f"num_threads=1&tile_w=1024&tile_h=1024&{BUSY.replace('=600000', '=1000')}"
        with connect(bridge.url) as at_work, at_work.makefile("rb") as answer:
            at_work.sendall(request("/api/compute/concurrent?" + longer))
            wait_stats(server.url, runs_running=1)
            server.process.send_signal(signal.SIGSTOP)
            self.assertIn(b" 504 ", answer.readline())
        for path in "concurrent?", "trace.json?", "concurrent?data=1&", "image.png?", "stream?":
            response, body = get(bridge.url, f"/api/compute/{path}{longer}")
            self.assertEqual(response.status, 504, path)
            self.assertEqual(json.loads(body), {"success": False, "error": f"no reply from {server.url} within the "
                                                                           "request's time"})
        server.process.send_signal(signal.SIGCONT)
        self.assertEqual(bridge.close(), 0)
        wait_stats(server.url, runs_running=0, runs_queued=0)
        self.assertEqual(server.close(), 0)


class Vanished(unittest.TestCase):
    """Peers that go without a word, as when a machine loses its power."""

    ONE_THREAD = ["--max-threads", "1"]

    def sockets_of(self, pid):
        """Duplicates of a process's TCP connections."""
        pidfd = os.pidfd_open(pid)
        libc = ctypes.CDLL(None, use_errno=True)
        for name in os.listdir(f"/proc/{pid}/fd"):
            if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                continue
            copy = libc.syscall(PIDFD_GETFD, pidfd, int(name), 0)
            if copy < 0:
                self.skipTest("pidfd_getfd: " + os.strerror(ctypes.get_errno()))
            with socket.socket(fileno=copy) as found:
                if found.family == socket.AF_INET and not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    yield found
        os.close(pidfd)

    def check_tuned(self, pid, silence_ms):
        wanted = {"SO_KEEPALIVE": 1, "TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3,
                  "TCP_USER_TIMEOUT": silence_ms}
        count = 0
        for found in self.sockets_of(pid):
            count += 1
            for name, value in wanted.items():
                level = socket.SOL_SOCKET if name.startswith("SO_") else socket.IPPROTO_TCP
                self.assertEqual(found.getsockopt(level, getattr(socket, name)), value, name)
        self.assertGreaterEqual(count, 1)

    def test_both_ends_have_the_kernel_ask_after_a_silent_peer(self):
        for send_timeout_ms, silence_ms in ("5000", 30000), ("90000", 90000):
            server = Process("tileryd", "--listen", "tcp://127.0.0.1:0", "--send-timeout-ms", send_timeout_ms,
                             *self.ONE_THREAD)
            self.addCleanup(server.process.kill)
            with endless_client(server.url) as client:
                wait_busy(server.url)
                self.check_tuned(client.pid, 30000)
                self.check_tuned(server.process.pid, silence_ms)
            self.assertEqual(server.close(), 0)

    def run_ip(self, *command):
        result = subprocess.run(["ip", *command], capture_output=True, text=True, timeout=60, check=False)
        if result.returncode != 0:
            self.skipTest("ip " + " ".join(command) + ": " + result.stderr.strip())

    def make_networks(self):
        """Two networks, A and B, and a router between them that can be told to swallow everything."""
        if os.geteuid() != 0 or shutil.which("ip") is None:
            self.skipTest("needs root, and ip of iproute2")
        names = {end: f"tilery{os.getpid()}{end}" for end in "arb"}
        for name in names.values():
            self.run_ip("netns", "add", name)
            self.addCleanup(subprocess.run, ["ip", "netns", "delete", name], check=False)
            self.run_ip("-n", name, "link", "set", "lo", "up")
        for number, end in enumerate("ab"):
            self.run_ip("-n", names["r"], "link", "add", "name", "to-" + end, "type", "veth", "peer", "name", "out",
                        "netns", names[end])
            for name, link, host in (names["r"], "to-" + end, 1), (names[end], "out", 2):
                self.run_ip("-n", name, "address", "add", f"10.99.{number}.{host}/24", "dev", link)
                self.run_ip("-n", name, "link", "set", link, "up")
            self.run_ip("-n", names[end], "route", "add", "default", "via", f"10.99.{number}.1")
        self.forward(names["r"], 1)
        return names

    def forward(self, name, value):
        self.run_ip("netns", "exec", name, "sh", "-c", f"echo {value} >/proc/sys/net/ipv4/ip_forward")

    def test_both_ends_notice_when_nothing_gets_through_any_more(self):
        names = self.make_networks()
        at_a, at_b = (["ip", "netns", "exec", names[end]] for end in "ab")
        server = Process("tileryd", "--listen", "tcp://10.99.0.2:0", *self.ONE_THREAD, within=at_a)
        self.addCleanup(server.process.kill)
        with endless_client(server.url, within=at_b) as client:
            wait_busy(server.url, within=at_a)
            self.forward(names["r"], 0)
            _, said = client.communicate(timeout=120)
            self.assertEqual(client.returncode, 14, said)
            # The server's only thread is free again.
            small = subprocess.run([*at_a, program("tilery"), "--server", server.url, "--timeout-ms=90000", "compute",
                                    *OPTIONS], capture_output=True, text=True, timeout=120, check=False)
            self.assertEqual(small.returncode, 0, small.stderr)
        self.assertEqual(server.close(), 0)


if __name__ == "__main__":
    unittest.main()
