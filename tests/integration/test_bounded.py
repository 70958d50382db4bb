#!/usr/bin/env python3
"""What tileryd's requests and its streams' windows take together."""
import contextlib
import unittest

from programs import Process, tilery, wait_stats
from raw_client import RawClient
from test_cancel import endless

EXHAUSTED = b"\x08\x08"


class Bounded(unittest.TestCase):
    def start(self, *options):
        server = Process("tileryd", "--listen", "tcp://127.0.0.1:0", "--max-threads", "2", "--log", "off", *options)
        self.addCleanup(lambda: self.assertEqual(server.close(), 0))
        client = RawClient(server.url)
        self.addCleanup(client.close)
        return server, client

    def test_requests_that_wait_take_no_more_than_their_budget(self):
        server, client = self.start()
        unknown = b"\xa0\x06\x01" * 7000  # a field that no message has: it takes 40 bytes or more, unpacked
        large = b"\x08\x08\x10\x08\x38\x02" + unknown
        for number in range(2):
            client.socket.sendall(client.message(client.COMPUTE, endless(), b"at-work-%d" % number, 1000 + number))
        wait_stats(server.url, runs_running=2)
        for number in range(1, 129):
            client.socket.sendall(client.message(client.COMPUTE, large, b"large-%d" % number, number))
        refused = client.receive()
        self.assertEqual(refused[:2], EXHAUSTED, refused)
        self.assertIn(b"bytes unpacked, and others take nearly all of 67108864; try again", refused)
        self.assertEqual(tilery(server.url, "info").returncode, 0)
        client.close()  # and gives all back
        wait_stats(server.url, runs_running=0, runs_queued=0)
        with contextlib.closing(RawClient(server.url)) as another:
            another.send(another.COMPUTE, large)
            self.assertNotEqual(another.receive()[:1], EXHAUSTED[:1])

    def test_windows_take_no_more_than_their_budget(self):
        server, client = self.start("--reply-budget-mib", "32")
        tiles = b"\x08\x80\x40\x10\x80\x40\x18\x80\x10\x20\x80\x10\x28\x01\x38\x01"  # 16 of 8 MiB each
        for name in (b"first", b"second", b"third"):
            client.send(client.OPEN, client.field(1, tiles), name)
            reply = client.receive()
        self.assertEqual(reply[:2], EXHAUSTED)
        self.assertIn(b"2 streams are open already, whose windows may take 33554432 of 33554432 bytes", reply)
        client.send(client.CANCEL, client.field(1, b"first"))
        client.receive()
        client.send(client.OPEN, client.field(1, tiles), b"third")
        self.assertIn(b"third", client.receive())


if __name__ == "__main__":
    unittest.main()
