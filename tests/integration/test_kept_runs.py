#!/usr/bin/env python3
"""Runs that are over, and kept for who comes again: thousands of them hold up nobody."""
import os
import unittest

from programs import connect
from test_stream_http import ENDLESS, STREAM, StreamTest

KEPT, AT_ONCE, BEATS, ASKED = 6000, 100, 2000, 10000
SMALL = f"GET {STREAM}?width=1&height=1&num_threads=1 HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n"


def processor_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return sum(int(ticks) for ticks in stat.read().rpartition(")")[2].split()[11:13]) / os.sysconf("SC_CLK_TCK")


class Kept(StreamTest):
    def keep(self, bridge, count):
        with connect(bridge.url) as peer, peer.makefile("rb") as answers:
            for _ in range(count // AT_ONCE):
                peer.sendall(AT_ONCE * SMALL.encode())
                ends = 0
                while ends < AT_ONCE:
                    ends += answers.readline().startswith(b'{"event":"end"')

    def beats_s(self, bridge):
        """What so many heartbeats of a stream take of the processor."""
        stream = self.open(ENDLESS, {}, bridge)
        events = stream.events()
        begun = processor_s(bridge.process.pid)
        for _ in range(BEATS):
            next(events)
        taken = processor_s(bridge.process.pid) - begun
        stream.close()
        return taken

    def asked_s(self, bridge):
        """What so many questions for a run that there is not take of the processor."""
        question = f"DELETE /api/compute/runs/{32 * '0'} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        begun = processor_s(bridge.process.pid)
        with connect(bridge.url) as peer, peer.makefile("rb") as answers:
            for _ in range(ASKED // AT_ONCE):
                peer.sendall(AT_ONCE * question)
                lengths = 0
                while lengths < AT_ONCE:
                    line = answers.readline()
                    self.assertNotEqual(line, b"")
                    lengths += line.startswith(b"Content-Length:")
        return processor_s(bridge.process.pid) - begun

    def test_a_run_is_found_as_soon_where_thousands_are_kept(self):
        bridge = self.start_bridge("--lease-ms", "600000", "--access-log", "off")
        alone = self.asked_s(bridge)
        self.keep(bridge, KEPT)
        among_many = self.asked_s(bridge)
        self.assertLess(among_many, 3 * alone + 0.3)

    def test_a_heartbeat_takes_no_longer_where_thousands_are_kept(self):
        bridge = self.start_bridge("--heartbeat-ms", "1", "--lease-ms", "600000", "--access-log", "off")
        alone = self.beats_s(bridge)
        self.keep(bridge, KEPT)
        among_many = self.beats_s(bridge)
        self.assertLess(among_many, 3 * alone + 0.5)


if __name__ == "__main__":
    unittest.main()
