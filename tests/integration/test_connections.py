#!/usr/bin/env python3
"""The bridge's connections: clients that leave, over raw sockets."""
import select
import socket
import struct
import subprocess
import unittest

from programs import QUERY, ServedTest, connect, get, program, stats, tilery, wait_stats

# Within the main cardioid: minutes of work for a thread.
ENDLESS = "width=1024&height=1024&max_iter=65535&region=-0.1,-0.1,0.2,0.2&kernel=scalar&time_limit_ms=600000"
RESET = struct.pack("ii", 1, 0)


def request(path, *headers, method="GET"):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode()


class Leaving(ServedTest):
    def ask(self, *headers, query=ENDLESS):
        peer = connect(self.bridge.url)
        peer.sendall(request("/api/compute/concurrent?num_threads=1&" + query, *headers))
        return peer

    def check_free(self):
        wait_stats(self.server.url, threads_computing=0, threads_held=0, runs_running=0, runs_queued=0)
        self.check_documented(get(self.bridge.url, "/api/compute/concurrent?" + QUERY)[1])

    def wait_runs(self, count):
        while sum(int(stats(self.server.url)[name]) for name in ("runs_running", "runs_queued")) != count:
            pass

    def test_a_hundred_clients_that_leave_free_the_threads_and_the_queue(self):
        cancelled = int(stats(self.server.url)["cancelled"])
        peers = [self.ask() for _ in range(160)]  # all that the server takes
        self.wait_runs(160)
        for peer in peers:
            peer.close()
        self.check_free()
        self.assertEqual(int(stats(self.server.url)["cancelled"]), cancelled + 160)

    def test_it_is_the_same_however_they_leave(self):
        for leave in (lambda peer: peer.shutdown(socket.SHUT_WR),
                      lambda peer: peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET) or peer.close()):
            peer = self.ask()
            wait_stats(self.server.url, threads_computing=1)
            leave(peer)
            self.check_free()
            peer.close()

    def test_one_that_has_more_to_ask_is_noticed_too(self):
        with self.ask() as peer:
            peer.sendall(request("/healthz") * 9)
            wait_stats(self.server.url, threads_computing=1)
        self.check_free()

    def test_those_that_leave_at_once_leave_nothing_behind(self):
        for _ in range(100):
            self.ask().close()
        self.check_free()

    def test_those_that_leave_while_they_are_answered_harm_nobody(self):
        for _ in range(100):
            self.ask(query=QUERY.replace("&num_threads=2", "")).close()
        self.check_free()

    def test_one_that_stays_keeps_its_run_though_another_of_its_id_leaves(self):
        stays = self.ask("X-Request-Id: mine")
        leaves = self.ask("X-Request-Id: mine")
        with subprocess.Popen([program("tilery"), "--server", self.server.url, "compute", "--request-id", "mine",
                               "--kernel", "scalar", "--region", "-0.1,-0.1,0.2,0.2", "--num-threads", "1",
                               "--max-iter", "65535", "--time-limit-ms", "600000"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as other:
            wait_stats(self.server.url, runs_running=3)
            leaves.close()
            wait_stats(self.server.url, runs_running=2)
            self.check_documented(get(self.bridge.url, "/api/compute/concurrent?" + QUERY)[1])
            self.assertEqual(select.select([stays], [], [], 0)[0], [])
            self.assertIsNone(other.poll())
            self.assertEqual(tilery(self.server.url, "cancel", "mine").returncode, 0)
            self.assertEqual(other.wait(timeout=60), 1)
        self.assertEqual(stats(self.server.url)["runs_running"], "1")
        stays.close()
        self.check_free()


if __name__ == "__main__":
    unittest.main()
