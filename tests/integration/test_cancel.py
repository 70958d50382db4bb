#!/usr/bin/env python3
"""Cancels and the requests that they name, in every order in which they may be read."""
import struct
import unittest

from programs import Process, stats, wait_stats
from raw_client import RawClient

OK_FOUND, OK_NOT_FOUND, CANCELLED = b"\x1a\x02\x08\x01", b"\x1a\x02\x08\x00", b"\x08\x01"
STATUS = 0x08  # what a reply begins with that is not OK
SMALL = b"\x08\x08\x10\x08"  # 8 x 8


def endless():
    """A ComputeRequest of one tile within the main cardioid."""
    def double(number, value):
        return struct.pack("<Bd", number << 3 | 1, value)
    numbers = b"\x08\x80\x20\x10\x80\x20\x18\x80\x20\x20\x80\x20\x28\xff\xff\x03\x30\xc0\xcf\x24\x38\x01"
    region = double(1, -0.2) + double(2, -0.1) + double(3, 0.2) + double(4, 0.2)
    return numbers + RawClient.field(10, b"scalar") + RawClient.field(11, region)


class Order(unittest.TestCase):
    def setUp(self):
        self.server = Process("tileryd", "--listen", "tcp://127.0.0.1:0", "--max-threads", "2", "--log", "off")
        self.addCleanup(lambda: self.assertEqual(self.server.close(), 0))
        self.client = RawClient(self.server.url)
        self.addCleanup(self.client.close)

    def cancel(self, name, number=2):
        return self.client.message(self.client.CANCEL, self.client.field(1, name), number=number)

    def compute(self, name, number=1):
        return self.client.message(self.client.COMPUTE, endless(), name, number)

    def small(self, name, number=1):
        return self.client.message(self.client.COMPUTE, SMALL, name, number)

    def replies(self, count):
        return dict(self.client.receive_any() for _ in range(count))

    def check_cancelled(self, replies):
        self.assertEqual(replies[2], OK_FOUND)
        self.assertEqual(replies[1][:2], CANCELLED)

    def test_a_cancel_sent_behind_its_compute_finds_it(self):
        for i in range(300):
            name = b"behind-%d" % i
            self.client.socket.sendall(self.compute(name) + self.cancel(name))
            self.check_cancelled(self.replies(2))

    def test_a_cancel_that_is_read_before_its_compute_finds_it(self):
        for i in range(20):
            name = b"before-%d" % i
            self.client.socket.sendall(self.cancel(name) + self.compute(name))
            self.check_cancelled(self.replies(2))

    def test_a_stream_that_is_overtaken_is_cancelled_too(self):
        opening = self.client.message(self.client.OPEN, self.client.field(1, endless()), b"stream")
        self.client.socket.sendall(self.cancel(b"stream") + opening)
        replies = self.replies(2)
        self.assertEqual(replies[2], OK_FOUND)
        wait_stats(self.server.url, streams=0, threads_computing=0, runs_running=0)

    def test_streams_that_are_parts_of_what_is_named_are_cancelled_and_no_others(self):
        names = b"a", b"a/1", b"a/1/2", b"ab", b"ab/1", b"a.1", b"b/a"
        for i, name in enumerate(names):
            self.client.socket.sendall(self.client.message(self.client.OPEN, self.client.field(1, SMALL), name, 3 + i))
        self.replies(len(names))
        self.client.socket.sendall(self.cancel(b"a"))
        self.assertEqual(self.replies(1), {2: OK_FOUND})
        self.assertEqual(stats(self.server.url)["streams"], "4")
        for name, found in (b"a", OK_NOT_FOUND), (b"ab/1", OK_FOUND), (b"ab", OK_FOUND), (b"b", OK_FOUND), (b"a.", OK_NOT_FOUND):
            self.client.socket.sendall(self.cancel(name))
            self.assertEqual(self.replies(1), {2: found}, name)
        self.assertEqual(stats(self.server.url)["streams"], "1")

    def test_a_part_that_comes_while_the_cancel_waits_is_cancelled_too(self):
        opening = self.client.message(self.client.OPEN, self.client.field(1, endless()), b"picture/2")
        self.client.socket.sendall(self.cancel(b"picture") + opening)
        self.assertEqual(self.replies(2)[2], OK_FOUND)
        wait_stats(self.server.url, streams=0, threads_computing=0, runs_running=0)

    def test_a_compute_is_no_part_of_what_a_cancel_names(self):
        for i in range(20):
            self.client.socket.sendall(self.cancel(b"picture") + self.small(b"picture/2"))
            replies = self.replies(2)
            self.assertEqual(replies.pop(2), OK_NOT_FOUND)
            self.assertNotEqual(replies.pop(1)[0], STATUS)

    def test_a_request_that_waits_for_threads_is_cancelled_in_the_queue(self):
        self.client.socket.sendall(b"".join(self.compute(b"at-work-%d" % i, 3 + i) for i in range(2)))
        wait_stats(self.server.url, runs_running=2)
        self.client.socket.sendall(self.compute(b"queued") + self.cancel(b"queued"))
        self.check_cancelled(self.replies(2))
        self.assertEqual(stats(self.server.url)["runs_running"], "2")

    def test_a_name_that_none_can_have_is_refused_and_ends_nobody_with_its_beginning(self):
        name = 64 * b"v"
        self.client.socket.sendall(self.compute(name))
        wait_stats(self.server.url, threads_computing=1)
        for bad in (name + b"other", name + b"\n", b"v v", b"\xff", b""):
            self.client.socket.sendall(self.cancel(bad))
            reply = self.replies(1)[2]
            self.assertEqual(reply[:2], b"\x08\x03", bad)  # INVALID_ARGUMENT
            self.assertIn(b"request_id", reply)
        self.client.socket.sendall(self.cancel(name))
        self.check_cancelled(self.replies(2))

    def test_a_name_that_comes_after_the_answer_is_left_alone(self):
        self.client.socket.sendall(self.cancel(b"later"))
        self.assertEqual(self.replies(1), {2: OK_NOT_FOUND})
        self.client.socket.sendall(self.compute(b"later"))
        wait_stats(self.server.url, runs_running=1)
        self.client.socket.sendall(self.cancel(b"later"))
        self.check_cancelled(self.replies(2))

    def test_requests_of_other_names_are_left_alone_while_a_cancel_waits(self):
        for i in range(20):
            self.client.socket.sendall(self.cancel(b"nothing") + self.small(b"other") +
                                       self.client.message(self.client.OPEN, self.client.field(1, SMALL), b"stream", 3))
            replies = self.replies(3)
            self.assertEqual(replies.pop(2), OK_NOT_FOUND)
            self.assertNotIn(STATUS, [reply[0] for reply in replies.values()], replies)
            self.client.socket.sendall(self.cancel(b"stream"))
            self.assertEqual(self.replies(1), {2: OK_FOUND})

    def test_cancels_of_nothing_do_not_take_the_contexts_of_others(self):
        count = 300  # fewer than one connection may have in hand
        self.client.socket.sendall(b"".join(self.cancel(b"nothing-%d" % i, 1 + i) for i in range(count)))
        self.assertEqual(stats(self.server.url)["runs_running"], "0")
        self.assertEqual(set(self.replies(count).values()), {OK_NOT_FOUND})


if __name__ == "__main__":
    unittest.main()
