#!/usr/bin/env python3
"""The bridge's connections, over raw sockets: clients that leave, and requests that are not clear."""
import json
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


def exchange(url, data):
    """All that comes until the bridge closes the connection."""
    with connect(url) as peer:
        peer.sendall(data)
        return b"".join(iter(lambda: peer.recv(65536), b""))


POST = "POST /api/compute/concurrent HTTP/1.1\r\n"
HOST = "Host: localhost\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"


class Unclear(ServedTest):
    def check_refused(self, text, named, theirs=False):
        """In the documented shape, and what follows on the connection is nobody's request. Some of it libmicrohttpd
        1.0 refuses itself, in its own words: theirs."""
        follower = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        head, body = exchange(self.bridge.url, (text + follower).encode("latin-1")).split(b"\r\n\r\n")
        self.assertEqual(head.split()[1], b"400", text[:200])
        self.assertIn(b"\r\nConnection: close", head)
        if theirs and body.startswith(b"<html>"):
            return
        reply = json.loads(body)
        self.assertEqual((list(reply), reply["success"]), (["success", "error"], False))
        self.assertIn(named, reply["error"])

    def test_a_body_whose_end_is_not_clear_is_refused(self):
        for headers, named in (("Content-Length: 5\r\n" + CHUNKED, "both"), (CHUNKED + "Content-Length: 5\r\n", "both"),
                               ("Content-Length: 2\r\nContent-Length: 2\r\n", "Content-Length"),
                               ("Content-Length: 2\r\ncontent-length: 7\r\n", "Content-Length"),
                               (CHUNKED + CHUNKED, "Transfer-Encoding")):
            self.check_refused(POST + HOST + headers + "\r\n0\r\n\r\n", named)
        for headers, named in (("Transfer-Encoding: gzip\r\n", "chunked"),
                               ("Transfer-Encoding: chunked, chunked\r\n", "chunked"),
                               ("Transfer-Encoding:\r\n", "chunked"), ("Content-Length : 5\r\n", "blank")):
            self.check_refused(POST + HOST + headers + "\r\n0\r\n\r\n", named, theirs=True)
        self.check_refused(POST.replace("1.1", "1.0") + CHUNKED + "\r\n0\r\n\r\n", "HTTP/1.0")

    def test_one_host_is_named_or_none_in_http_1_0(self):
        self.check_refused("GET /healthz HTTP/1.1\r\n\r\n", "Host", theirs=True)
        self.check_refused("GET /healthz HTTP/1.1\r\n" + HOST + HOST + "\r\n", "Host")
        self.check_refused("GET /healthz HTTP/1.0\r\n" + HOST + HOST + "\r\n", "Host")
        self.assertTrue(exchange(self.bridge.url, b"GET /healthz HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nok\n"))

    def test_nul_bytes_are_refused_wherever_they_stand(self):
        for target, named in (("/healthz%00", "path"), ("/healthz%00x", "path"), ("/%00?x=1", "path"),
                              ("/healthz?x=%00", "x"), ("/healthz?wid%00th=5", "wid"), ("/healthz?a=b&%00", "NUL"),
                              ("/api/compute/concurrent?width=8%00", "width")):
            self.check_refused(f"GET {target} HTTP/1.1\r\n{HOST}\r\n", named)
        for path, status in (("/healthz?%2500", 200), ("/healthz%2500", 404)):
            self.assertEqual(get(self.bridge.url, path)[0].status, status)

    def test_every_query_that_a_url_may_hold_is_answered(self):
        for count in range(0, 4080, 51):
            target = "/healthz?" + count * "&a"
            if count < 128:
                self.assertEqual(get(self.bridge.url, target)[0].status, 200)
            else:
                self.check_refused(f"GET {target} HTTP/1.1\r\n{HOST}\r\n", f"{count + 1} parameters; at most 128")
        self.assertEqual(get(self.bridge.url, "/healthz?" + 127 * "a&")[0].status, 200)
        self.assertEqual(get(self.bridge.url, "/healthz?" + 128 * "&")[0].status, 400)
        for target in "/healthz?" + 4092 * "&a", "/healthz?" + 9000 * "&", "/" + 9000 * "x":
            self.assertEqual(get(self.bridge.url, target)[0].status, 414)
        self.assertEqual(get(self.bridge.url, "/healthz", headers={"X": 40000 * "x"})[0].status, 431)
        self.assertEqual(get(self.bridge.url, "/healthz?" + 4000 * "ab", headers={"X": 8000 * "x"})[0].status, 200)

    def test_a_body_may_have_65536_bytes_and_no_more(self):
        for size, status in (65535, 200), (65536, 200), (65537, 413):
            body = b'{"width":8,"height":8,"x":"' + (size - 29) * b"x" + b'"}'
            self.assertEqual(len(body), size)
            for form in (body, iter([body]), iter([body[:1], body[1:65530], body[65530:]])):
                response, reply = get(self.bridge.url, "/api/compute/concurrent", "POST", body=form)
                self.assertEqual((response.status, json.loads(reply)["success"]), (status, status == 200))


if __name__ == "__main__":
    unittest.main()
