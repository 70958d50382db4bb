#!/usr/bin/env python3
"""tileryd and connections: more than it may have, and more than the system gives it descriptors for."""
import contextlib
import os
import socket
import tempfile
import unittest

from programs import Process, tilery
from raw_client import RawClient

HEALTH = b"tilery.v1.Health/Check"
SERVING = b"\x1a\x02\x08\x01"


class Connections(unittest.TestCase):
    def start(self, *arguments, nofile=None, listen="tcp://127.0.0.1:0"):
        within = ("prlimit", f"--nofile={nofile}") if nofile else ()
        self.server = Process("tileryd", "--listen", listen, "--log", "off", *arguments, within=within)
        self.addCleanup(lambda: self.server.process.poll() is None and self.server.process.kill())

    def end(self):
        self.assertEqual(self.server.close(), 0)
        return self.server.said

    def check_served(self, client):
        client.send(HEALTH, b"")
        self.assertEqual(client.receive(), SERVING)

    def clients(self, count):
        clients = [RawClient(self.server.url) for _ in range(count)]
        self.addCleanup(lambda: [client.close() for client in clients])
        return clients

    def test_a_low_limit_is_raised_to_what_connections_want(self):
        self.start("--max-connections", "200", nofile="32:4096")
        for client in self.clients(150):
            self.check_served(client)
        self.assertNotIn("warning", self.end())

    def test_a_limit_that_cannot_be_raised_is_warned_about(self):
        self.start("--max-connections", "200", nofile="64:64")
        self.assertIn("tileryd: warning: the system allows 64 descriptors, which is less than --max-connections 200 wants",
                      self.end())

    def test_a_surplus_connection_is_closed_at_once_and_those_there_are_served(self):
        self.start("--max-connections", "3", "--log", "logfmt")
        clients = self.clients(3)
        for client in clients:
            self.check_served(client)
        for _ in range(20):
            with contextlib.closing(RawClient(self.server.url)) as surplus:
                self.assertEqual(self.rest(surplus.socket), b"")
        for client in clients:
            self.check_served(client)
        clients.pop().close()
        while tilery(self.server.url, "--timeout-ms=1000", "health").returncode != 0:
            pass
        self.assertIn(f'listen={self.server.url} connections=1 message="closed: there are as many as --max-connections"',
                      self.end())

    @staticmethod
    def rest(peer):
        with contextlib.suppress(ConnectionResetError):
            return peer.recv(1)
        return b""


    @contextlib.contextmanager
    def pressure(self, family, address):
        """All descriptors are taken by peers that say nothing, until nng gives their handshakes up."""
        with contextlib.ExitStack() as stack:
            for _ in range(100):
                peer = stack.enter_context(socket.socket(family))
                peer.settimeout(60)
                peer.connect(address)
            while len(os.listdir(f"/proc/{self.server.process.pid}/fd")) < 64:
                pass
            yield

    def check_serves_on(self):
        self.assertEqual(tilery(self.server.url, "--timeout-ms=50000", "health").returncode, 0)

    def test_over_tcp_those_there_are_served_and_others_when_there_are_descriptors_again(self):
        self.start(nofile="64:64")
        there, = self.clients(1)
        self.check_served(there)
        with self.pressure(socket.AF_INET, there.socket.getpeername()):
            self.check_served(there)
        self.check_serves_on()
        self.check_served(there)
        self.end()

    def test_over_ipc_others_are_served_when_there_are_descriptors_again(self):
        with tempfile.TemporaryDirectory() as folder:
            self.start(nofile="64:64", listen=f"ipc://{folder}/socket")
            with self.pressure(socket.AF_UNIX, folder + "/socket"):
                pass
            self.check_serves_on()
            self.end()


if __name__ == "__main__":
    unittest.main()
