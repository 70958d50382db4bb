#!/usr/bin/env python3
"""What HTTP's own headers say: which form of a stream is wanted, what may be kept, and what a HEAD tells; and what they
may not hold."""
import json
import unittest

from programs import QUERY, Process, ServedTest, connect, get

COMPUTE = "/api/compute/concurrent"
STREAM = "/api/compute/stream"
SSE, NDJSON = "text/event-stream", "application/x-ndjson"


class Accept(ServedTest):
    def form(self, *accept):
        """Of a stream, whose headers alone are asked for."""
        with connect(self.bridge.url) as peer:
            headers = "".join(f"Accept: {value}\r\n" for value in accept)
            peer.sendall(f"HEAD {STREAM} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n".encode())
            head = b"".join(iter(lambda: peer.recv(65536), b"")).decode().split("\r\n")
        lines = dict(line.split(": ", 1) for line in head[1:] if line)
        self.assertEqual((head[0].split()[1], lines["Vary"], lines["Cache-Control"]), ("200", "Origin, Accept", "no-store"))
        return lines["Content-Type"]

    def test_the_form_that_is_wanted_more_is_sent_and_events_where_none_is(self):
        for accept in ((), ("*/*",), ("",), ("application/json",), (SSE,), (f"{SSE}, {NDJSON}",), (f"{NDJSON}, {SSE}",),
                       (f"{NDJSON};q=0",), (f"{NDJSON};q=0.0, */*",), (f"{NDJSON};q=0.5, {SSE};q=0.6",),
                       (f"{NDJSON};q=0.9, {SSE}",), (f"{NDJSON};q=0.4, text/*;q=0.5",), (f"{NDJSON}2",), (f"x{NDJSON}",),
                       ("application/*;q=0.1, */*",), (f'x/y;a="{NDJSON}"',), (f'x/y;a="\\", {NDJSON}',),
                       (f"{NDJSON};q=0.5", SSE), (f"application/*, {NDJSON};q=0",), (f"text/*, {NDJSON};q=0.999",)):
            self.assertEqual(self.form(*accept), SSE, accept)
        for accept in ((NDJSON,), (NDJSON.upper(),), (f"{NDJSON}, */*",), (f"{NDJSON};q=0.1",), (f"{NDJSON} ; Q=0.5 ",),
                       (f"*/*, {NDJSON}",), (f"{SSE};q=0.5, {NDJSON};q=0.6",), ("application/*",), (f"{SSE};q=0, {NDJSON}",),
                       ("application/*;q=0.2, text/*;q=0.1",), (f"{SSE};q=0, */*",), (f"{SSE};q=0.5", NDJSON),
                       (f"{NDJSON};q=x, {SSE};q=0.9",), (f"{NDJSON};a=\"b,c;q=0\", {SSE};q=0.9",), (f",,{NDJSON},",)):
            self.assertEqual(self.form(*accept), NDJSON, accept)


class Allowed(ServedTest):
    def check(self, url, path, status, method="GET", body=None):
        response, _ = get(url, path, method, {"Origin": "http://localhost:3000"}, body)
        self.assertEqual(response.status, status, path)
        self.assertEqual((response.headers["Access-Control-Allow-Origin"], response.headers["Access-Control-Allow-Credentials"]),
                         ("http://localhost:3000", "true"), (path, status))
        self.assertIn("Origin", response.headers["Vary"], (path, status))

    def start(self, *arguments):
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", *arguments)
        self.addCleanup(lambda: self.assertEqual(bridge.close(), 0))
        return bridge.url

    def test_a_page_elsewhere_may_read_every_error(self):
        for path, status, *request in ((COMPUTE + "?width=0", 400), ("/nothing", 404), (COMPUTE, 405, "PUT"),
                                       ("/api/compute/runs/none", 404, "DELETE"), (COMPUTE, 413, "POST", 65537 * " "),
                                       (COMPUTE, 400, "POST", "{"),
                                       ("/api/compute/image.png?time_limit_ms=0", 504)):
            self.check(self.bridge.url, path, status, *request)
        alone = self.start("--backend", "tcp://127.0.0.1:1")
        for path in COMPUTE, STREAM, "/api/compute/image.png", "/api/compute/health", "/readyz":
            self.check(alone, path, 503)
        full = self.start("--max-connections", "1")
        with connect(full) as peer:
            peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(b" 200 ", peer.recv(65536))
            self.check(full, COMPUTE, 429)


class Kept(ServedTest):
    def test_nothing_is_kept_but_the_page_and_that_is_asked_after(self):
        for path, method, status in ((f"{COMPUTE}?{QUERY}", "GET", 200), (f"{COMPUTE}?{QUERY}&data=1", "GET", 200),
                                     (f"{COMPUTE}?{QUERY}", "HEAD", 200),
                                     (COMPUTE + "?width=0", "GET", 400), (COMPUTE, "PUT", 405), (COMPUTE, "OPTIONS", 204),
                                     ("/nothing", "GET", 404), ("/metrics", "GET", 200), ("/healthz", "GET", 200),
                                     ("/api/compute/health", "GET", 200), ("/api/compute/image.png?" + QUERY, "GET", 200),
                                     ("/api/compute/trace.json?" + QUERY, "GET", 200), (f"{STREAM}?{QUERY}", "GET", 200),
                                     ("/openapi.json", "GET", 200)):
            response, _ = get(self.bridge.url, path, method)
            self.assertEqual((response.status, response.headers["Cache-Control"]), (status, "no-store"), (method, path))
            self.assertEqual(response.headers["Vary"], "Origin, Accept" if path.startswith(STREAM) else "Origin")
        for path in "/", "/web/main.js":
            response, _ = get(self.bridge.url, path)
            self.assertEqual((response.headers["Cache-Control"], response.headers["Vary"]), ("no-cache", "Origin"))
            same = {"If-None-Match": f'"other", W/{response.headers["ETag"]}'}
            response, body = get(self.bridge.url, path, headers=same)
            self.assertEqual((response.status, response.headers["Cache-Control"], body), (304, "no-cache", b""))

    def test_head_tells_what_get_would(self):
        alone = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", "tcp://127.0.0.1:1")
        for url, status in ((self.bridge.url, 200), (alone.url, 503)):
            for path in "/readyz", "/api/compute/health":
                got, body = get(url, path)
                head, nothing = get(url, path, "HEAD")
                self.assertEqual((head.status, nothing), (status, b""), path)
                for name in "Content-Type", "Content-Length":
                    self.assertEqual(head.headers[name], got.headers[name], path)
                self.assertEqual(int(head.headers["Content-Length"]), len(body))
        self.assertEqual(alone.close(), 0)

    def test_head_of_what_is_not_computed_knows_no_length_and_nothing_follows(self):
        for path in f"{COMPUTE}?{QUERY}", "/api/compute/image.png", "/api/compute/trace.json", STREAM, "/metrics":
            with connect(self.bridge.url) as peer:
                peer.sendall(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                head, end, rest = b"".join(iter(lambda peer=peer: peer.recv(65536), b"")).partition(b"\r\n\r\n")
            self.assertEqual((head.split()[1], end, rest), (b"200", b"\r\n\r\n", b""), path)
            self.assertIn(b"\r\nConnection: close", head)
            self.assertNotRegex(head.lower(), b"content-length|transfer-encoding")

    def test_head_tells_what_would_follow_an_event(self):
        _, body = get(self.bridge.url, f"{STREAM}?{QUERY}", headers={"Accept": NDJSON})
        ids = [json.loads(line)["id"] for line in body.splitlines()]
        run = ids[0].split("/")[0]
        for last, status in (ids[0], 200), (ids[-1], 204), (f"{run}/999", 400), (f"{'0' * 32}/1", 404), ("x", 400):
            for headers, query in ({"Last-Event-ID": last}, ""), ({}, f"?last_event_id={last}"):
                response, nothing = get(self.bridge.url, STREAM + query, "HEAD", headers)
                self.assertEqual((response.status, nothing), (status, b""), last)
        _, rest = get(self.bridge.url, STREAM, headers={"Accept": NDJSON, "Last-Event-ID": ids[0]})
        self.assertEqual([json.loads(line)["id"] for line in rest.splitlines()], ids[1:])


class Bytes(ServedTest):
    def answer(self, first, *headers):
        with connect(self.bridge.url) as peer:
            peer.sendall(b"\r\n".join((first, b"Connection: close", *headers, b"", b"")))
            return b"".join(iter(lambda: peer.recv(65536), b""))

    def check_refused(self, named, *lines):
        """In our words, or in libmicrohttpd's, whose 1.0 refuses it itself, and a request line by hanging up."""
        answer = self.answer(*lines)
        if answer == b"" and b"\0" in lines[0]:
            return
        self.assertEqual(answer.split()[1], b"400", lines)
        self.assertTrue(named in answer or b"<html>" in answer, answer)

    def test_a_nul_byte_or_a_cr_within_a_line_is_refused(self):
        get_health, host = b"GET /healthz HTTP/1.1", b"Host: localhost"
        for lines in ((host + b"\0.evil",), (host, b"X-Request-Id: mine\0"), (host, b"X: \0", b"Y: z"), (host, b"X: y\0\0z"),
                      (host, b"X: y\0\0\0\0z"), (host, b"X: y\0", b"Y: z"), (b"X:\0", host)):
            self.check_refused(b"a header holds a NUL byte", get_health, *lines)
        for line in b"X: y\rContent-Length: 5", b"X: y\r", b"X: \ry", b"X\r: y":
            self.check_refused(b"a header holds a CR that ends no line", get_health, host, line)
        for first in (b"GET /healthz\0 HTTP/1.1", b"GET /healthz\0x HTTP/1.1", b"GET\0X /healthz HTTP/1.1",
                      b"GET /healthz?a=b\0c HTTP/1.1", b"GET \0/healthz HTTP/1.1"):
            self.check_refused(b"the request line holds a NUL byte", first, host)

    def test_lines_that_look_odd_are_taken(self):
        for lines in ((b"X:",), (b"X: \t ",), (b"X: y \t",), (b'Cookie: a=b; c="d"',), (b"X: \xff\x01",), ()):
            for first in b"GET /healthz HTTP/1.1", b"\r\nGET /healthz HTTP/1.1", b"GET /healt%68z?a=%41&b HTTP/1.1":
                self.assertTrue(self.answer(first, *lines, b"Host: localhost").endswith(b"\r\nok\n"), (first, lines))
                self.assertTrue(self.answer(first, b"Host: localhost", *lines).endswith(b"\r\nok\n"), (first, lines))


if __name__ == "__main__":
    unittest.main()
