#!/usr/bin/env python3
"""Two servers that are restarted one after the other under load, as a rollout does it: no request may be lost."""
import json
import subprocess
import unittest

from programs import Process, get, program, stats, tilery, until
from rate import Http, Rpc

RATE = 60
LONG = ["--width=600", "--height=600", "--tile-w=600", "--max-iter=3000", "--kernel=scalar", "--num-threads=1",
        "--region=-0.2,-0.1,0.2,0.2", "--time-limit-ms=600000"]


class Rollout(unittest.TestCase):
    def setUp(self):
        # However slow the machine is, what a server has in hand is finished.
        self.servers = [Process("tileryd", "--listen", "tcp://127.0.0.1:0", "--log", "off", "--grace-ms=600000")
                        for _ in range(2)]
        self.urls = ",".join(server.url for server in self.servers)
        self.addCleanup(self.stop)

    def stop(self):
        for server in self.servers:
            self.assertEqual(server.close(), 0, server.said)

    def wait_computed(self, server, tiles=120):
        """Until the server has computed so many more tiles: it has its share of the load."""
        before = int(stats(server.url)["tiles"])
        until(lambda: int(stats(server.url)["tiles"]) >= before + tiles, f"{server.url} computes")

    def restart_each(self):
        """A server must serve again, and the clients have come back, before the other goes."""
        for _ in range(2):
            for i, server in enumerate(self.servers):
                self.wait_computed(server)
                self.assertEqual(server.close(), 0, server.said)
                self.servers[i] = Process("tileryd", "--listen", server.url, "--log", "off")
                self.wait_computed(self.servers[i])

    def check(self, load):
        (sent, answered, correct, again), wrong = load.end()
        print(f"{type(load).__name__}: sent {sent} answered {answered} correct {correct} again {again}")
        self.assertGreater(sent, RATE)
        self.assertEqual((answered, correct, again), (sent, sent, 0), wrong)

    def test_no_call_through_libtilery_is_lost(self):
        load = Rpc(self.urls, RATE)
        self.restart_each()
        self.check(load)

    def test_no_request_to_a_bridge_is_lost(self):
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", self.urls, "--access-log", "off")
        load = Http(bridge.url, RATE)
        self.restart_each()
        self.check(load)
        self.assertEqual(bridge.close(), 0)

    def test_a_server_that_drains_is_not_ready_and_finishes_what_it_has(self):
        server = self.servers[0]
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", server.url)
        client = subprocess.Popen([program("tilery"), "--server", server.url, "compute", *LONG],
                                  stdout=subprocess.PIPE, text=True)
        until(lambda: stats(server.url)["runs_running"] == "1", "the run is at work")
        self.assertEqual(tilery(bridge.url, "health").returncode, 0)
        server.process.terminate()
        until(lambda: tilery(server.url, "health").returncode != 0, "the server is not ready")
        self.assertEqual(tilery(bridge.url, "health").returncode, 14)
        self.assertEqual(get(bridge.url, "/readyz")[0].status, 503)
        self.assertEqual(get(bridge.url, "/healthz")[0].status, 200)
        self.assertTrue(json.loads(client.communicate(timeout=300)[0])["success"])
        self.assertEqual(server.process.wait(60), 0)
        self.assertEqual(bridge.close(), 0)
        self.servers[0] = Process("tileryd", "--listen", server.url)


if __name__ == "__main__":
    unittest.main()
