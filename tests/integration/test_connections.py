#!/usr/bin/env python3
"""The bridge's connections, over raw sockets: clients that leave, requests that are not clear, and what is
bounded."""
import contextlib
import json
import os
import random
import re
import resource
import select
import socket
import struct
import subprocess
import unittest

from programs import QUERY, Process, ServedTest, connect, get, program, stats, tilery, wait_stats

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
                               (CHUNKED + CHUNKED, "Transfer-Encoding"), ("Transfer-Encoding: gzip\r\n", "chunked"),
                               ("Transfer-Encoding: chunked, chunked\r\n", "chunked"),
                               ("Transfer-Encoding:\r\n", "chunked"), ("Content-Length : 5\r\n", "blank"),
                               ("Content-Len: 5\r\n gth\r\n", "second line"), ("Host:\r\n evil\r\n", "second line"),
                               ("Transfer-Encoding:\r\n chunked\r\n", "second line"),
                               ("Content-Length:\r\n\t5\r\n", "second line"), ("X: y\r\n z\r\n", "second line")):
            self.check_refused(POST + HOST + headers + "\r\n0\r\n\r\n", named, theirs=True)
        self.check_refused(POST.replace("1.1", "1.0") + CHUNKED + "\r\n0\r\n\r\n", "HTTP/1.0")

    def test_one_host_is_named_or_none_in_http_1_0(self):
        self.check_refused("GET /healthz HTTP/1.1\r\n\r\n", "Host", theirs=True)
        self.check_refused("GET /healthz HTTP/1.1\r\n" + HOST + HOST + "\r\n", "Host")
        self.check_refused("GET /healthz HTTP/1.0\r\n" + HOST + HOST + "\r\n", "Host")
        self.assertTrue(exchange(self.bridge.url, b"GET /healthz HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nok\n"))

    def test_a_url_may_name_its_host_which_is_that_of_the_header(self):
        def status(target, headers=HOST, version="1.1"):
            text = f"GET {target} HTTP/{version}\r\n{headers}Connection: close\r\n\r\n"
            return int(exchange(self.bridge.url, text.encode()).split()[1])

        for target in "http://localhost/healthz", "HTTPS://LocalHost/healthz?x=1", "http://localhost/%68ealthz", \
                "http://localhost/api/compute/concurrent?width=8&height=8":
            self.assertEqual(status(target), 200, target)
        self.assertEqual(status("http://localhost:8405/healthz", "Host: localhost:8405\r\n"), 200)
        self.assertEqual(status("http://evil.example/healthz", "", "1.0"), 200)
        for target in "http://localhost", "http://localhost?x=1":
            self.assertEqual(status(target), status("/"), target)
        for target in "http://localhost//healthz", "http:///healthz", "ftp://localhost/healthz", \
                "http:/healthz", "http://local%68ost/healthz", "http:%2f%2flocalhost/healthz":
            self.assertIn(status(target, HOST if "http:///" not in target else "Host:\r\n"), (403, 404), target)
        for target in "http://evil.example/healthz", "http://localhost:8405/healthz", "http://localhos/healthz", \
                "http://me@localhost/healthz", "http://localhost.evil.example/healthz":
            self.check_refused(f"GET {target} HTTP/1.1\r\n{HOST}\r\n", "Host")

    def test_nul_bytes_are_refused_wherever_they_stand(self):
        for target, named in (("/healthz%00", "path"), ("/healthz%00x", "path"), ("/%00?x=1", "path"),
                              ("/healthz?x=%00", "x"), ("/healthz?wid%00th=5", "wid"), ("/healthz?a=b&%00", "NUL"),
                              ("/api/compute/concurrent?width=8%00", "width")):
            self.check_refused(f"GET {target} HTTP/1.1\r\n{HOST}\r\n", named)
        for path, status in (("/healthz?%2500", 200), ("/healthz%2500", 404)):
            self.assertEqual(get(self.bridge.url, path)[0].status, status)

    def test_what_is_percent_encoded_is_decoded_once_and_what_only_looks_so_stays(self):
        for target, status in (("/%68ealthz", 200), ("/healthz?%", 200), ("/healthz?%2&%zz=%&=%c0%80", 200),
                               ("/healthz%", 404), ("/healthz%2", 404), ("/healthz%zz", 404), ("/%c0%80", 404),
                               ("/%2568ealthz", 404), ("/healthz%2f", 404), ("/healthz%3fx", 404), ("/%", 404)):
            self.assertEqual(get(self.bridge.url, target)[0].status, status, target)
        for query, width in (("%77idth=1%36", 16), ("width=%31%36", 16), ("width=16%", None), ("width=%zz", None),
                             ("width=1%2536", None), ("width=16%0a", None), ("width=+16", None), ("width=16&%77idth=16", None)):
            response, body = get(self.bridge.url, "/api/compute/concurrent?height=8&" + query)
            if width:
                self.assertEqual((response.status, json.loads(body)["params"]["width"]), (200, width), query)
            else:
                self.assertEqual(response.status, 400, query)
                self.assertIn("width is", json.loads(body)["error"])

    def test_pipelined_requests_are_answered_in_their_order(self):
        paths = [f"/api/compute/concurrent?width={width}&height=8&num_threads=1" for width in range(1, 21)]
        last = request("/nothing", "Connection: close") + request("/healthz")  # which nobody reads any more
        for pieces in 1, 7, 1000:
            data = b"".join(map(request, paths)) + last
            with connect(self.bridge.url) as peer:
                for at in range(0, len(data), len(data) // pieces + 1):
                    peer.sendall(data[at:at + len(data) // pieces + 1])
                answers = b"".join(iter(lambda: peer.recv(65536), b""))
            statuses = re.findall(rb"HTTP/1.1 (\d+) ", answers)
            self.assertEqual(statuses, 20 * [b"200"] + [b"404"])
            self.assertEqual(re.findall(rb'"params":{"width":(\d+)', answers), [b"%d" % width for width in range(1, 21)])

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


    def test_a_body_that_is_too_long_is_answered_when_it_has_come(self):
        piece = 10000 * b"x"
        for headers, tail in ("Content-Length: 100000\r\n", b""), (CHUNKED, b"0\r\n\r\n"):
            with connect(self.bridge.url) as peer:
                peer.sendall((POST + HOST + headers + "\r\n").encode())
                for _ in range(10):
                    get(self.bridge.url, "/healthz")  # it has had time to close the connection
                    peer.sendall(b"2710\r\n" + piece + b"\r\n" if tail else piece)
                peer.sendall(tail + request("/healthz"))
                answer = b""
                while not answer.endswith(b"ok\n"):
                    self.assertTrue(chunk := peer.recv(65536), answer)
                    answer += chunk
                self.assertTrue(answer.startswith(b"HTTP/1.1 413 "))

    def test_one_that_nobody_will_read_is_refused_before_it_is_sent(self):
        for headers in "Content-Length: 10000000\r\n", "Content-Length: 70000\r\nExpect: 100-continue\r\n":
            answer = exchange(self.bridge.url, (POST + HOST + headers + "\r\n").encode())
            self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer)


class Limits(unittest.TestCase):
    def start(self, *arguments, server=()):
        """A bridge whose connections have a second."""
        if server:
            self.server = Process("tileryd", "--listen", "tcp://127.0.0.1:0", *server)
            self.addCleanup(lambda: self.assertEqual(self.server.close(), 0))
            arguments += ("--backend", self.server.url)
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--connection-timeout-s", "1", *arguments)
        self.addCleanup(lambda: self.assertEqual(bridge.close(), 0, bridge.said))
        return bridge

    def check_answered(self, peers):
        for peer in peers:
            peer.sendall(request("/healthz"))
            answer = b""
            while not answer.endswith(b"\r\n\r\nok\n"):
                self.assertTrue(chunk := peer.recv(4096), answer)
                answer += chunk

    def check_cut_off(self, peer, piece=b""):
        """It sends on and on, and is cut off all the same."""
        with peer, contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while not select.select([peer], [], [], 0.02)[0]:
                peer.sendall(piece)
            self.assertEqual(peer.recv(65536), b"")

    def test_a_request_that_does_not_come_to_its_end_is_cut_off(self):
        url = self.start().url
        for begin, piece in ((b"", b""), (b"GET", b""), (b"GET /healthz HTTP/1.1\r\nX: ", b"x"), (b"", b"\r\n"),
                             (b"GET /", b"x"), (b"GET / HTTP/1.1\r\n", b"X: y\r\n"),
                             ((POST + HOST + "Content-Length: 60000\r\n\r\n").encode(), b"x"),
                             ((POST + HOST + CHUNKED + "\r\n").encode(), b"1\r\nx\r\n")):
            peer = connect(url)
            peer.sendall(begin)
            self.check_cut_off(peer, piece)
        peer = connect(url)
        for path in ("/healthz", "/api/compute/concurrent?width=8&height=8"):
            peer.sendall(request(path))
            self.assertEqual(peer.recv(65536).split()[1], b"200")
        self.check_cut_off(peer, b"\r\n")

    def test_requests_that_were_damaged_anyhow_are_answered_or_dropped(self):
        """Also those that nobody goes on with, when their second is over."""
        url, dice, peers = self.start().url, random.Random(1), []
        seeds = [request("/api/compute/concurrent?width=8&height=8"), request("/api/compute/stream?width=8&height=8"),
                 request("/api/compute/runs/x", method="DELETE"), request("http://localhost/healthz", "Accept: */*"),
                 (POST + HOST + 'Content-Length: 12\r\n\r\n{"width": 8}').encode(),
                 (POST + HOST + CHUNKED + '\r\nc\r\n{"width": 8}\r\n0\r\nX: y\r\n\r\n').encode()]
        for _ in range(600):
            data = bytearray(dice.choice(seeds) + dice.choice(seeds))
            for _ in range(dice.randrange(1, 5)):
                at, length = dice.randrange(len(data)), dice.randrange(1, 9)
                piece = dice.choice((b"", b"\0", b"\r\n", b" ", b"%", b":", b"\xff", b"9" * 20, b"\t", bytes(data[at:at + 40])))
                data[at:at + dice.choice((0, length))] = piece
            peers.append((connect(url), data))
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                peers[-1][0].sendall(data)
                peers[-1][0].shutdown(socket.SHUT_WR)
        for peer, data in peers:
            with peer, contextlib.suppress(ConnectionResetError):
                answer = b"".join(iter(lambda: peer.recv(65536), b""))
                self.assertTrue(not answer or answer.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")), (data, answer))
        self.assertEqual(get(url, "/api/compute/concurrent?" + QUERY)[0].status, 200)

    def test_one_that_is_computed_has_its_time(self):
        url = self.start().url
        response, _ = get(url, f"/api/compute/sequential?tile_w=8&tile_h=8&{ENDLESS.replace('600000', '1500')}")
        self.assertEqual(response.status, 200)

    def test_an_answer_that_nobody_reads_is_dropped(self):
        bridge = self.start()
        descriptors = f"/proc/{bridge.process.pid}/fd"
        get(bridge.url, "/healthz")
        before = len(os.listdir(descriptors))
        for extra in ("", "&pretty=1"):
            peers = [connect(bridge.url, 4096) for _ in range(4)]
            for peer in peers:
                peer.sendall(request("/api/compute/concurrent?width=1024&height=1024&tile_w=4&tile_h=4&max_iter=1" +
                                     extra))
            for peer in peers:
                self.assertEqual(peer.recv(12), b"HTTP/1.1 200")
            while len(os.listdir(descriptors)) > before:
                pass
            for peer in peers:
                peer.close()

    def test_two_thousand_that_are_idle_hold_up_nobody(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        url = self.start("--connection-timeout-s", "600").url
        peers = [connect(url) for _ in range(2000)]
        for i, peer in enumerate(peers):
            peer.sendall((b"", b"GET /healthz HTTP/1.1\r\n", request("/healthz"))[i % 3])
        for _ in range(20):
            self.assertEqual(get(url, "/api/compute/concurrent?" + QUERY)[0].status, 200)
        for peer in peers[2::3]:
            self.assertEqual(peer.recv(12), b"HTTP/1.1 200")
        for peer in peers[1::3]:
            peer.sendall(b"Host: localhost\r\n\r\n")
            self.assertEqual(peer.recv(12), b"HTTP/1.1 200")
        for peer in peers:
            peer.close()

    def test_surplus_connections_are_told_to_try_again_and_those_who_watch_are_answered(self):
        url = self.start("--max-connections", "3", "--connection-timeout-s", "600").url
        peers = [connect(url) for _ in range(3)]
        self.check_answered(peers)
        for path in ("/api/compute/concurrent?width=8&height=8", "/nothing"):
            response, body = get(url, path)
            self.assertEqual((response.status, response.headers["Retry-After"], response.headers["Connection"]),
                             (429, "1", "close"))
            self.assertEqual(json.loads(body), {"success": False, "error": "all 3 connections are taken; try again"})
        for path in ("/healthz", "/readyz", "/api/compute/health"):
            self.assertEqual(get(url, path)[0].status, 200)
        peers.pop().close()
        while get(url, "/api/compute/concurrent?width=8&height=8")[0].status != 200:
            pass
        for peer in peers:
            peer.close()

    def test_surplus_connections_that_say_nothing_make_room_soon(self):
        url = self.start("--max-connections", "3", "--connection-timeout-s", "600").url
        peers = [connect(url) for _ in range(3 + 64 + 3)]  # and no more are taken
        self.assertEqual(get(url, "/healthz")[0].status, 200)
        for peer in peers:
            peer.close()

    def test_one_address_has_so_many_connections_and_no_more(self):
        """Unless told otherwise, it does where others than this machine reach the bridge."""
        for most, arguments in (3, ("--max-per-address", "3")), (256, ("--listen", "0.0.0.0:0")):
            url = self.start("--connection-timeout-s", "600", *arguments).url
            peers = [connect(url) for _ in range(most)]
            self.check_answered(peers)
            self.check_cut_off(connect(url), request("/healthz"))
            peers.append(connect(url, source="127.0.0.2"))
            self.check_answered(peers)
            for peer in peers:
                peer.close()

    def test_a_busy_server_is_asked_once(self):
        bridge = self.start(server=("--max-threads", "1", "--max-queue", "0"))
        with connect(bridge.url) as peer:
            peer.sendall(request("/api/compute/sequential?" + ENDLESS))
            wait_stats(self.server.url, threads_computing=1)
            response, body = get(bridge.url, "/api/compute/concurrent")
        self.assertEqual((response.status, response.headers["Retry-After"], json.loads(body)["success"]),
                         (429, "1", False))
        wait_stats(self.server.url, threads_computing=0)
        self.assertEqual(stats(self.server.url)["tilery.v1.TileCompute/Compute.calls.RESOURCE_EXHAUSTED"], "1")

    def test_limits_out_of_range_are_named(self):
        for option, value, limits in (("max-connections", "0", "1 to 65536"), ("max-connections", "65537", "1 to 65536"),
                                      ("connection-timeout-s", "0", "1 to 3600"), ("max-per-address", "-1", "0 to 65536"),
                                      ("connection-timeout-s", "1.5", "1 to 3600")):
            result = subprocess.run([program("tilery-bridge"), f"--{option}={value}"], capture_output=True, text=True,
                                    timeout=60, check=False)
            self.assertEqual(result.returncode, 64)
            self.assertIn(f'--{option} is "{value}"; it must be a whole number from {limits}', result.stderr)


if __name__ == "__main__":
    unittest.main()
