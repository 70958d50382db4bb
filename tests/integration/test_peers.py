#!/usr/bin/env python3
"""Peers that are hostile: what the libraries below do to whoever trusts their defaults."""
import contextlib
import signal
import socket
import struct
import threading
import unittest

from programs import OPTIONS, Process, most_memory, tilery, wait_stats
from raw_client import RawClient


def address_of(url):
    host, port = url.removeprefix("tcp://").split(":")
    return host, int(port)


class FakeServer:
    """Speaks nng's framing and hands each request's connection, and the ids of all so far, to answer()."""

    def __init__(self, answer):
        self.answer = answer
        self.ids = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = "tcp://127.0.0.1:%d" % self.listening.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            peer, _ = self.listening.accept()
            with peer, contextlib.suppress(OSError, struct.error):
                peer.settimeout(60)
                if peer.recv(8, socket.MSG_WAITALL)[1:3] != b"SP":
                    return
                peer.sendall(b"\0SP\0\0\x31\0\0")
                length, request_id = struct.unpack(">QI", peer.recv(12, socket.MSG_WAITALL))
                peer.recv(length - 4, socket.MSG_WAITALL)
                self.ids.append(request_id)
                self.answer(peer, self.ids)

    def close(self):
        with socket.create_connection(address_of(self.url)) as last:
            last.sendall(b"no more.")
        self.thread.join()
        self.listening.close()


class HostileServer(unittest.TestCase):
    def call(self, answer, *arguments):
        server = FakeServer(answer)
        self.addCleanup(server.close)
        return server, tilery(server.url, "--timeout-ms", "30000", *arguments)

    def check_refused(self, length):
        """A reply that announces so many bytes is an error by its length alone, and the next one is read."""
        def announce(peer, _):
            peer.sendall(struct.pack(">Q", length))
            peer.recv(1)  # until the client ends the connection

        _, result = self.call(announce, "health")
        self.assertEqual(result.returncode, 14, result.stderr)
        self.assertIn("was lost before the reply", result.stderr)

        def announce_once(peer, ids):
            if len(ids) == 1:
                announce(peer, ids)
            else:
                peer.sendall(struct.pack(">QI", 4, ids[-1]))
                peer.recv(1)

        server, result = self.call(announce_once, "compute", *OPTIONS)
        while "no server at" in result.stderr:  # all attempts were over before the connection was there again
            server, result = self.call(announce_once, "compute", *OPTIONS)
        self.assertEqual((result.returncode, result.stderr),
                         (13, "tilery: INTERNAL: 0 records came for 9 tasks, and no summary\n"))
        self.assertEqual(len(server.ids), 2)

    def test_a_reply_that_announces_nearly_2_to_the_64_bytes_is_refused(self):
        self.check_refused(2**64 - 40)

    def test_a_reply_above_the_limit_is_refused_before_it_is_read(self):
        self.check_refused(2**27 + 1)

    def test_a_request_whose_connection_is_lost_is_not_sent_again_by_nng(self):
        server, result = self.call(lambda peer, ids: None, "compute", *OPTIONS)
        self.assertIn(result.returncode, (4, 14), result.stderr)
        self.assertGreaterEqual(len(server.ids), 1)
        self.assertEqual(len(set(server.ids)), len(server.ids))


class Unread(unittest.TestCase):
    """Replies that nobody reads."""

    MANY = 40
    BUDGET_MIB = 64
    LARGE = b"\x08\x80\x08\x10\x80\x08\x18\x02\x20\x02\x28\x01\x30\xc0\xa9\x07"  # 1024 x 1024 in 2 x 2 tiles: 8 MB
    MIDDLE = b"\x08\x80\x08\x10\x80\x08\x18\x08\x20\x08\x28\x01"  # in 8 x 8 tiles: 500 KB
    IMAGE = b"\x08\x80\x20\x10\x80\x20\x18\x80\x08\x20\x80\x08\x28\x01\x30\xc0\xa9\x07"  # 4096 x 4096, of 32 MB

    def serve(self, send_timeout_ms, budget_mib=BUDGET_MIB):
        server = Process("tileryd", "--listen", "tcp://127.0.0.1:0", "--max-threads", "2",
                         "--send-timeout-ms", str(send_timeout_ms), "--reply-budget-mib", str(budget_mib))
        self.addCleanup(lambda: server.process.poll() is None and self.assertEqual(server.close(), 0))
        return server

    def client(self, server):
        client = RawClient(server.url)
        self.addCleanup(client.close)
        return client

    def check_served(self, server):
        self.assertEqual(tilery(server.url, "health").stdout, "SERVING\n")
        self.assertEqual(tilery(server.url, "compute", *OPTIONS).returncode, 0)

    def check_memory(self, server):
        self.assertLess(most_memory(server), (self.BUDGET_MIB * 3 + 64) << 20)

    def check_replies(self, server, clients):
        """Some replies are large, and stay unread; for the others there was no room. Then all leave."""
        lengths = [client.length() for client in clients]
        self.check_served(server)
        self.assertGreater(max(lengths), 1 << 20)
        self.assertLess(min(lengths), 1 << 20)
        for client, length in zip(clients, lengths):
            if length < 1 << 20:
                reply = client.receive()
                self.assertEqual(reply[:2], b"\x08\x08")
                self.assertIn(b"; try again", reply)
        self.check_memory(server)
        for client in clients:
            client.close()

    def ask_until_there_is_room(self, client, method, payload):
        while True:
            client.send(method, payload)
            if len(reply := client.receive()) > 1 << 20:
                return reply
            self.assertIn(b"; try again", reply)

    def test_many_clients_that_ask_for_much_and_read_nothing_take_no_more_than_the_budget(self):
        server = self.serve(600000)
        clients = [self.client(server) for _ in range(self.MANY)]
        for client in clients:
            client.send(client.COMPUTE, self.LARGE)
        self.check_replies(server, clients)
        last = self.client(server)
        self.assertGreater(len(self.ask_until_there_is_room(last, last.COMPUTE, self.LARGE)), 4 << 20)

    def test_a_client_that_takes_nothing_of_a_large_reply_is_reset(self):
        server = self.serve(100)
        clients = [self.client(server) for _ in range(3)]
        for client in clients:
            client.send(client.COMPUTE, self.LARGE)
        for client in clients:
            self.assertTrue(client.wait_reset())
        self.check_served(server)

    def test_a_batch_that_is_asked_for_by_many_and_read_by_none_takes_no_more_than_the_budget(self):
        server = self.serve(600000)
        owner = self.client(server)
        owner.send(owner.OPEN, owner.field(1, self.IMAGE), b"image")
        self.assertNotEqual(owner.receive()[:1], b"\x08")
        next_tiles = owner.field(1, b"image") + b"\x10\x00\x18\x80\x80\x80\x10"
        batch = b""
        while len(batch) < 4 << 20:
            owner.send(owner.NEXT, next_tiles)
            batch = owner.receive()
        clients = [self.client(server) for _ in range(self.MANY)]
        for client in clients:
            client.send(client.NEXT, next_tiles)
        self.check_replies(server, clients)
        self.assertGreaterEqual(len(self.ask_until_there_is_room(owner, owner.NEXT, next_tiles)), len(batch))

    def test_one_reply_alone_may_take_more_than_the_budget(self):
        client = self.client(self.serve(5000, 1))
        client.send(client.COMPUTE, self.LARGE)
        self.assertGreater(len(client.receive()), 4 << 20)

    def test_a_client_that_reads_slowly_but_steadily_gets_all(self):
        client = self.client(self.serve(1500))
        for _ in range(3):
            client.send(client.COMPUTE, self.LARGE)
        for _ in range(3):
            self.assertGreater(len(client.receive(pause_s=0.04)), 4 << 20)

    def test_clients_that_pipeline_together_and_read_nothing_cannot_keep_all_contexts(self):
        self.check_pipelining_together(self.serve(500))

    def test_clients_that_keep_all_contexts_are_cut_before_the_send_timeout(self):
        self.check_pipelining_together(self.serve(600000))

    def check_pipelining_together(self, server):
        clients = [self.client(server) for _ in range(4)]
        ends = []
        for client in clients:
            client.socket.settimeout(20)  # before the server's kernel gives them up by itself

        def send_for_ever(client):
            try:
                while True:
                    client.send(client.COMPUTE, self.MIDDLE)
            except OSError as end:
                ends.append(type(end))

        threads = [threading.Thread(target=send_for_ever, args=[client]) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # A client's own kernel, full of what it does not read, may drop what tells it that it may send again: it comes
        # to a halt, with nothing in hand.
        self.assertIn(ConnectionResetError, ends)
        wait_stats(server.url, calls=1)
        self.check_served(server)

    def test_a_client_that_reads_nothing_does_not_keep_a_server_from_ending(self):
        server = self.serve(600000)
        client = self.client(server)
        for _ in range(3):
            client.send(client.COMPUTE, self.LARGE)
        self.assertGreater(client.length(), 4 << 20)
        self.assertEqual(server.close(), 0)


class Draining(unittest.TestCase):
    SMALL = b"\x08\x08\x10\x08"  # 8 x 8

    def test_the_last_reply_of_a_stream_can_be_asked_for_again_until_its_reader_has_it(self):
        server = Process("tileryd", "--listen", "tcp://127.0.0.1:0")
        self.addCleanup(lambda: server.process.poll() is None and server.process.kill())
        client = RawClient(server.url)
        client.send(client.OPEN, client.field(1, self.SMALL), b"small")
        client.receive()
        wait_stats(server.url, runs_running=0)  # so that its first reply is its last
        last = client.field(1, b"small") + b"\x10\x00\x18\x80\x80\x80\x10\x20\xe8\x07"
        client.send(client.NEXT, last)
        reply = client.receive()
        self.assertGreater(len(reply), 128)
        server.process.send_signal(signal.SIGTERM)
        while tilery(server.url, "health").returncode == 0:
            pass
        for _ in range(5):
            client.close()
            client = RawClient(server.url)
            client.send(client.NEXT, last)
            self.assertEqual(client.receive()[-len(reply) + 16:], reply[16:])
        client.send(client.CANCEL, client.field(1, b"small"))
        client.close()
        server.process.communicate(timeout=60)
        self.assertEqual(server.process.returncode, 0)


if __name__ == "__main__":
    unittest.main()
