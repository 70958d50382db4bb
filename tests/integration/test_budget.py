#!/usr/bin/env python3
"""Many clients that ask the bridge for much and do not read it: its memory stays within its budget."""
import http.client
import json
import os
import re
import socket
import subprocess
import unittest

from programs import QUERY, Process, connect, get, most_memory, program, tilery
from prometheus import Metrics

SIDE = 316
LARGE = f"/api/compute/concurrent?width={SIDE}&height={SIDE}&tile_w=1&tile_h=1&max_iter=1&time_limit_ms=600000"
CLIENTS, BUDGET_MIB = 30, 256
HELD, BUDGET = "tilery_bridge_reply_bytes", "tilery_bridge_reply_budget_bytes"


class SlowReader:
    """Asks, and looks at the status alone until it is told to read."""

    def __init__(self, url):
        host, port = url.removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=60)

    def ask(self):
        self.socket.sendall(f"GET {LARGE} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())

    def status(self):
        return int(self.socket.recv(len("HTTP/1.1 200"), socket.MSG_PEEK | socket.MSG_WAITALL)[-3:])

    def rest(self):
        with http.client.HTTPResponse(self.socket) as response:
            response.begin()
            answer = json.loads(response.read())
        self.socket.close()
        return response.headers, answer


class Budget(unittest.TestCase):
    def start(self, *arguments):
        process = Process(*arguments)
        self.addCleanup(lambda: self.assertEqual(process.close(), 0))
        return process

    def metrics(self, bridge):
        return Metrics(get(bridge.url, "/metrics")[1].decode())

    def check_nothing_held(self, bridge):
        """As soon as no request is in hand but the one that asks."""
        while (metrics := self.metrics(bridge)).value("tilery_bridge_requests_in_hand") > 1:
            continue
        self.assertEqual(metrics.value(HELD), 0)

    def test_what_an_answer_took_is_given_back_before_its_end_is_there(self):
        bridge = self.start("tilery-bridge", "--listen", "127.0.0.1:0")
        for extra in 3 * ["", "&data=1", "&pretty=1"]:
            self.assertEqual(get(bridge.url, LARGE + extra)[0].status, 200)
            self.assertEqual(self.metrics(bridge).value(HELD), 0, extra)

    def test_slow_readers_take_no_more_than_the_budget_and_the_surplus_is_told_at_once(self):
        server = self.start("tileryd", "--listen", "tcp://127.0.0.1:0")
        bridge = self.start("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", server.url,
                            "--reply-budget-mib", str(BUDGET_MIB))
        self.assertEqual(self.metrics(bridge).value(BUDGET), BUDGET_MIB << 20)
        before = most_memory(bridge)
        clients = [SlowReader(bridge.url) for _ in range(CLIENTS)]
        for client in clients:
            client.ask()
        statuses = [client.status() for client in clients]
        self.assertEqual(set(statuses), {200, 429})
        held = self.metrics(bridge).value(HELD)
        self.assertTrue(0 < held <= BUDGET_MIB << 20, held)
        for status, client in zip(statuses, clients):
            head, answer = client.rest()
            if status == 200:
                self.assertEqual(sorted(record["task_id"] for record in answer["data"]), list(range(SIDE * SIDE)))
            else:
                self.assertEqual(head["Retry-After"], "1")
                self.assertIn(f"of {BUDGET_MIB << 20} are taken by others", answer["error"])
        self.assertLess(most_memory(bridge) - before, BUDGET_MIB << 20)
        computed = re.search(r"records (\d+)", tilery(server.url, "stats").stdout)
        self.assertEqual(int(computed.group(1)), statuses.count(200) * SIDE * SIDE)
        self.check_nothing_held(bridge)
        self.assertEqual(get(bridge.url, LARGE)[0].status, 200)

    def test_a_client_that_leaves_gives_its_share_back(self):
        bridge = self.start("tilery-bridge", "--listen", "127.0.0.1:0", "--reply-budget-mib", "1")
        for _ in range(3):  # one alone may be larger than the budget
            client = SlowReader(bridge.url)
            client.ask()
            self.assertEqual(client.status(), 200)
            self.assertGreater(self.metrics(bridge).value(HELD), 1 << 20)
            self.assertEqual(get(bridge.url, LARGE)[0].status, 429)
            self.assertEqual(get(bridge.url, "/api/compute/concurrent")[0].status, 200)  # small ones go on
            client.socket.close()
            self.check_nothing_held(bridge)

    def test_refused_requests_give_their_share_back(self):
        bridge = self.start("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", "tcp://127.0.0.1:1")
        for query in ("&kernel=quantum", "&width=65536&height=1", "&tile_w=0"):
            self.assertIn(get(bridge.url, LARGE + query)[0].status, (400, 503))
        self.check_nothing_held(bridge)

    def test_a_budget_that_is_none_is_refused(self):
        for value in ("0", "-1", "x", "", "1048577", "1.5"):
            done = subprocess.run([program("tilery-bridge"), "--reply-budget-mib", value], capture_output=True,
                                  text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 64)
            self.assertIn(f'--reply-budget-mib is "{value}"; it must be a whole number from 1 to 1048576', done.stderr)


class Descriptors(unittest.TestCase):
    def test_where_they_are_few_connections_are_and_it_goes_on(self):
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--connection-timeout-s", "600", "--access-log", "off",
                         within=("prlimit", "--nofile=64"))
        peers = [connect(bridge.url) for _ in range(200)]
        self.assertEqual(get(bridge.url, "/healthz")[0].status, 200)  # when those that say nothing have made room
        self.assertLess(len(os.listdir(f"/proc/{bridge.process.pid}/fd")), 64)
        for peer in peers:
            peer.close()
        self.assertEqual(get(bridge.url, "/api/compute/concurrent?" + QUERY)[0].status, 200)
        self.assertEqual(bridge.close(), 0)
        self.assertIn("the system allows 64 descriptors, which is less than --max-connections 4096 wants", bridge.said)

    def test_with_next_to_none_it_does_not_begin(self):
        for few in 12, 16, 63:
            done = subprocess.run(["prlimit", f"--nofile={few}:{few}", program("tilery-bridge"), "--listen", "127.0.0.1:0"],
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stdout), (8, ""), few)
            self.assertIn("\ntilery-bridge: 64 descriptors are the least that it wants\n", done.stderr)


if __name__ == "__main__":
    unittest.main()
