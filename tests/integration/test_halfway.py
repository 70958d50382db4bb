#!/usr/bin/env python3
"""Clients of the bridge that end their sending side: in the middle of a request, or after whole ones."""
import contextlib
import os
import re
import signal
import socket
import unittest

from programs import Process, connect, get, until
from test_connections import CHUNKED, HOST, POST, RESET, request

HALVES = (b"", b"GET /", b"GET /api/compute/health HTTP/1.1\r\nHost: localhost\r\n",
          (POST + HOST + "Content-Length: 12\r\n\r\n").encode() + b'{"width',
          (POST + HOST + CHUNKED + "\r\n").encode() + b'c\r\n{"width')


def end_sending(peer):
    peer.shutdown(socket.SHUT_WR)


def reset(peer):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    peer.close()


class Halfway(unittest.TestCase):
    def start(self, *arguments):
        """A bridge whose connections have more time than a test."""
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--connection-timeout-s", "600", "--access-log",
                         "off", *arguments)
        self.addCleanup(lambda: self.assertEqual(bridge.close(), 0, bridge.said))
        self.bridge = bridge

    @contextlib.contextmanager
    def standing_still(self):
        """What is sent meanwhile, and its end, come to the bridge at once."""
        process = self.bridge.process
        process.send_signal(signal.SIGSTOP)
        try:
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def answers(self, path, text):
        with contextlib.suppress(OSError):  # there may be no room to say that there is none
            return text in get(self.bridge.url, path)[1]
        return False

    def wait_alone(self):
        until(lambda: self.answers("/metrics", b"tilery_bridge_connections 1\n"), "the bridge has no other connection")

    def test_a_connection_on_which_no_whole_request_can_come_any_more_is_closed(self):
        self.start()
        for at_once in True, False:
            for leave in end_sending, socket.socket.close, reset:
                with contextlib.ExitStack() as open_now:
                    peers = [open_now.enter_context(connect(self.bridge.url)) for _ in HALVES]
                    with self.standing_still() if at_once else contextlib.nullcontext():
                        for peer, half in zip(peers, HALVES):
                            peer.sendall(half)
                            leave(peer)
                    for peer in peers if leave is end_sending else ():
                        self.assertEqual(peer.recv(65536), b"")
                    self.wait_alone()

    def test_whole_requests_before_the_end_are_all_answered(self):
        self.start()
        paths = "/healthz", "/api/compute/health", "/readyz", "/openapi.json"  # with the server's word, and without
        for requests in [[path] for path in paths] + [paths[:3], 3 * paths, 500 * ["/healthz"], 200 * ["/readyz"]]:
            for half in b"", HALVES[2]:
                with connect(self.bridge.url) as peer:
                    with self.standing_still():
                        peer.sendall(b"".join(map(request, requests)) + half)
                        end_sending(peer)
                    answers = b"".join(iter(lambda: peer.recv(65536), b""))
                self.assertEqual(re.findall(rb"HTTP/1.1 (\d+) ", answers), len(requests) * [b"200"])
        self.wait_alone()

    def test_hundreds_that_end_halfway_leave_their_places_to_others(self):
        for limits in ["--max-per-address=300"], ["--max-connections=200"]:
            self.start(*limits)
            for _ in range(3):
                with self.standing_still():
                    for i in range(250):
                        with connect(self.bridge.url) as peer:
                            peer.sendall(HALVES[1 + i % 4])
                until(lambda: self.answers("/nothing", b"no such route"), "others are served")
            self.wait_alone()


if __name__ == "__main__":
    unittest.main()
