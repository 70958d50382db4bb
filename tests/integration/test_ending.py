#!/usr/bin/env python3
"""The bridge's end: SIGTERM while there is work in hand, and under load."""
import http.client
import json
import os
import re
import signal
import threading
import unittest

from programs import BIN, QUERY, Process, connect, get, wait_stats
from test_connections import ENDLESS, request
from test_stream_http import LARGE, STREAM, StreamTest

COMPUTE = "/api/compute/concurrent?" + QUERY
LATE = os.path.join(BIN, "tests", "late.so")


class Hammer(threading.Thread):
    """Asks on and on, over connections that are kept as long as the bridge keeps them."""

    def __init__(self, url, path):
        super().__init__(daemon=True)
        self.address, self.path = url.removeprefix("http://"), path
        self.seen = set()
        self.begun = threading.Event()
        self.start()

    def run(self):
        while True:
            connection = http.client.HTTPConnection(self.address, timeout=60)
            try:
                while True:
                    connection.request("GET", self.path)
                    response = connection.getresponse()
                    response.read()
                    self.seen.add(response.status)
                    self.begun.set()
            except ConnectionRefusedError:
                return
            except (http.client.HTTPException, OSError):
                connection.close()  # cut off, as late ones may be


class Ending(StreamTest):
    def test_it_is_not_ready_at_once_and_finishes_what_is_in_hand(self):
        bridge = self.start_bridge("--connection-timeout-s", "600")
        events = self.open(LARGE, {}, bridge, buffer=4096).events()
        next(events)
        kept = http.client.HTTPConnection(bridge.url.removeprefix("http://"), timeout=60)
        kept.request("GET", "/readyz")
        self.assertEqual(kept.getresponse().read(), b"ready\n")
        idle = http.client.HTTPConnection(bridge.url.removeprefix("http://"), timeout=60)
        idle.request("GET", "/healthz")
        self.assertEqual(idle.getresponse().read(), b"ok\n")
        bridge.process.send_signal(signal.SIGTERM)
        while get(bridge.url, "/readyz")[0].status == 200:
            pass
        response, body = get(bridge.url, "/readyz")
        self.assertEqual((response.status, response.headers["Connection"], body),
                         (503, "close", b"the bridge is shutting down\n"))
        kept.request("GET", "/readyz")
        self.assertEqual(kept.getresponse().status, 503)
        kept.close()
        idle.request("GET", COMPUTE)  # as a client does that has not heard of it
        answer = idle.getresponse()
        self.assertEqual((answer.status, answer.headers["Connection"], len(json.loads(answer.read())["data"])), (200, "close", 9))
        self.assertEqual(get(bridge.url, "/healthz")[0].status, 200)
        health = self.ask("/api/compute/health", bridge=bridge)
        self.assertEqual((health[0], health[1]["rustism_available"], health[1]["status"]), (503, False, "unavailable"))
        refused = {"success": False, "error": "the bridge is shutting down", "message": "The service is shutting down"}
        for path in (COMPUTE, COMPUTE + "&data=1", STREAM, "/api/compute/image.png", "/api/compute/trace.json"):
            self.assertEqual(self.ask(path, bridge=bridge), (503, refused), path)
        self.assertEqual([name for _, name, _ in events][-2:], ["summary", "end"])
        bridge.process.communicate(timeout=60)
        self.assertEqual(bridge.process.returncode, 0)

    def test_under_load_all_that_it_had_begun_is_answered_and_it_ends_well(self):
        paths = 4 * [COMPUTE, "/api/compute/health"] + 2 * [STREAM + "?" + QUERY, COMPUTE + "&data=1"] + \
            ["/api/compute/image.png?" + QUERY, "/metrics", "/readyz"]
        for _ in range(5):
            bridge = self.start_bridge("--access-log", "off")
            hammers = [Hammer(bridge.url, path) for path in paths]
            for hammer in hammers:
                self.assertTrue(hammer.begun.wait(60))
            self.assertEqual(bridge.close(), 0, bridge.said)
            for hammer in hammers:
                hammer.join(60)
                self.assertFalse(hammer.is_alive())
                self.assertLessEqual(hammer.seen, {200, 503}, hammer.path)

    def test_what_is_not_over_when_its_time_is_up_is_cut_off_and_cancelled(self):
        """The second signal ends it at once; runs are ended by the server, for want of a caller."""
        bridge = self.start_bridge()
        with connect(bridge.url) as peer:
            peer.sendall(request("/api/compute/concurrent?num_threads=1&" + ENDLESS))
            wait_stats(self.server.url, threads_computing=1)
            bridge.process.send_signal(signal.SIGTERM)
            while get(bridge.url, "/readyz")[0].status == 200:
                pass
            self.assertEqual(bridge.close(), 128 + signal.SIGTERM)
            self.assertEqual(peer.recv(1), b"")
        wait_stats(self.server.url, threads_computing=0)

    @unittest.skipUnless(os.path.exists(LATE), "built with a sanitizer")
    def test_workers_that_stop_listening_before_they_are_seen_to_do_no_harm(self):
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--access-log=off", within=("env", "LD_PRELOAD=" + LATE))
        self.addCleanup(bridge.process.kill)
        hammers = [Hammer(bridge.url, "/healthz") for _ in range(8)]
        for hammer in hammers:
            hammer.begun.wait()
        self.assertEqual(bridge.close(), 0)
        for hammer in hammers:
            hammer.join()

    def test_what_its_patience_does_not_suffice_for_is_told_so(self):
        bridge, peers = self.start_bridge("--grace-ms", "1000"), []
        for path in ("concurrent?", "concurrent?data=1&", "image.png?", "trace.json?", "stream?"):
            peers.append(self.enterContext(connect(bridge.url)))
            peers[-1].sendall(request(f"/api/compute/{path}num_threads=1&{ENDLESS}"))
        wait_stats(self.server.url, threads_computing=len(peers))
        self.assertEqual(bridge.close(within_s=120), 0)
        *answers, events = [b"".join(iter(lambda peer=peer: peer.recv(65536), b"")) for peer in peers]
        for answer in answers:
            head, body = answer.split(b"\r\n\r\n")
            self.assertEqual((head.split()[1], json.loads(body)),
                             (b"503", {"success": False, "error": "the bridge is shutting down",
                                       "message": "The service is shutting down"}))
        self.assertIn(b'"error":"the bridge is shutting down","message":"The service is shutting down","code":"UNAVAILABLE"', events)
        self.assertEqual(len(re.findall(r"status=503 .* total_ms=\d{4}", bridge.said)), len(answers), bridge.said)
        wait_stats(self.server.url, threads_computing=0)


if __name__ == "__main__":
    unittest.main()
