#!/usr/bin/env python3
"""Who asked the bridge for what: its log, traces, and the token that it may want."""
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import unittest

from programs import QUERY, Process, connect, get, program, tilery, wait_stats

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
GIVEN = f"00-{TRACE}-{PARENT}-01"
TEXT = r'[^\s"=\\]+|"(?:[^"\\\x00-\x1f]|\\.)*"'
PAIR = rf"([a-z_]+)=({TEXT})"
KEYS = ["ts", "level", "method", "path", "status", "bytes", "request_id", "peer", "queue_ms", "run_ms", "total_ms",
        "traceparent", "message"]
COMPUTE = "/api/compute/concurrent"
ENDLESS = "width=1024&height=1024&max_iter=65535&region=-0.1,-0.1,0.2,0.2&kernel=scalar&time_limit_ms=600000"


class BridgeTest(unittest.TestCase):
    def start(self, *arguments):
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", *arguments)
        self.addCleanup(lambda: bridge.process.poll() is None and bridge.close())
        return bridge

    def lines_of(self, bridge):
        """Ends it. Its log, without its own few words."""
        self.assertEqual(bridge.close(), 0, bridge.said)
        return [line for line in bridge.said.split("\n") if line and not re.match('tilery-bridge: |{.*,"program":', line)]


class Log(BridgeTest):
    def parse(self, line):
        self.assertRegex(line, rf"\A{PAIR}( {PAIR})*\Z")
        return {key: json.loads(value) if value.startswith('"') else value for key, value in re.findall(PAIR, line)}

    def ask(self, bridge):
        """Answers of all kinds, as (status, body, headers)."""
        large = "?width=1024&height=1024&tile_w=16&tile_h=16&max_iter=1&time_limit_ms=60000"
        answers = []
        for path, method, body in ((COMPUTE + "?" + QUERY, "GET", None), (COMPUTE + large, "GET", None),
                                   (COMPUTE, "HEAD", None), (COMPUTE, "POST", '{"width":8,"height":8}'),
                                   ("/api/compute/health", "GET", None), (COMPUTE, "OPTIONS", None),
                                   ("/healthz", "GET", None), (COMPUTE + "?width=0", "GET", None),
                                   ("/" + 300 * "a", "GET", None), (COMPUTE, "POST", 70000 * "x")):
            response, answer = get(bridge.url, path, method, {"X-Request-Id": f"id-{len(answers)}"}, body)
            answers.append((response.status, answer, response.headers))
        return answers

    def check(self, lines, answers, bridge):
        """An answer is read before it is logged, so two lines may change places."""
        lines.sort(key=lambda line: line["request_id"])
        self.assertEqual([int(line["status"]) for line in lines], [answer[0] for answer in answers])
        self.assertEqual([int(line["bytes"]) for line in lines], [len(answer[1]) for answer in answers])
        for i, (line, (status, body, headers)) in enumerate(zip(lines, answers)):
            self.assertEqual([key for key in KEYS if key in line], list(line))
            self.assertRegex(line["ts"], r"\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
            self.assertEqual(line["level"], "info" if status < 400 else "warn")
            self.assertEqual((line["request_id"], headers["X-Request-Id"]), (f"id-{i}", f"id-{i}"))
            self.assertEqual(line["traceparent"], headers["traceparent"])
            self.assertRegex(line["peer"], r"\A127\.0\.0\.1:\d+\Z")
            self.assertEqual("run_ms" in line, headers["Server-Timing"].startswith("queue"))
            if "run_ms" in line:
                self.assertLessEqual(float(line["queue_ms"]) + float(line["run_ms"]), float(line["total_ms"]) + 0.002)
            said = json.loads(body)["error"] if status >= 400 else None
            self.assertEqual(line.get("message"), said[:200] + "..." if said and len(said) > 200 else said)
        self.assertEqual([line["method"] for line in lines],
                         ["GET", "GET", "HEAD", "POST", "GET", "OPTIONS", "GET", "GET", "GET", "POST"])
        self.assertEqual(lines[0]["path"], COMPUTE)
        self.assertEqual(lines[8]["path"], "/" + 255 * "a" + "...")
        self.assertEqual(bridge.said.count("id-"), len(answers))

    def test_logfmt_is_the_default(self):
        bridge = self.start()
        answers = self.ask(bridge)
        self.check([self.parse(line) for line in self.lines_of(bridge)], answers, bridge)

    def test_json(self):
        bridge = self.start("--access-log", "json")
        answers = self.ask(bridge)
        self.check([json.loads(line) for line in self.lines_of(bridge)], answers, bridge)

    def test_who_listens_on_all_addresses_is_there_for_ipv4_and_ipv6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("this machine has no IPv6")
        for name, scheme, listen in ("tileryd", "tcp", "tcp://[::]:0"), ("tilery-bridge", "http", "[::]:0"):
            server = Process(name, "--listen", listen)
            port = server.url.rsplit(":", 1)[1]
            said = [tilery(f"{scheme}://{host}:{port}", "health").stdout for host in ("127.0.0.1", "[::1]")]
            self.assertEqual(server.close(), 0)
            self.assertEqual(said, ["SERVING\n", "SERVING\n"], name)
            peers = [self.parse(line)["peer"] for line in server.said.splitlines() if " peer=" in line]
            self.assertEqual([peer.rpartition(":")[0] for peer in peers], ["127.0.0.1", "[::1]"], name)

    def test_what_is_streamed_from_the_server_has_its_times_too(self):
        bridge = self.start()
        work = "?width=256&height=256&kernel=scalar&time_limit_ms=600000&num_threads=1"
        for path, timed in (COMPUTE + work + "&data=1", True), ("/api/compute/image.png" + work, True), \
                ("/api/compute/stream" + work, False):  # whose answer has begun before it is known
            response, _ = get(bridge.url, path)
            self.assertEqual(response.status, 200)
            self.assertEqual(response.headers["Server-Timing"].startswith("queue;dur="), timed, path)
        lines = [self.parse(line) for line in self.lines_of(bridge)]
        self.assertEqual(len(lines), 3)
        for line in lines:
            self.assertGreater(float(line["run_ms"]), 1, line["path"])
            self.assertLessEqual(float(line["queue_ms"]) + float(line["run_ms"]), float(line["total_ms"]) + 0.002)

    def test_the_time_in_the_queue_is_no_run_s(self):
        server = Process("tileryd", "--listen", "tcp://127.0.0.1:0", "--max-threads", "1")
        bridge = self.start("--backend", server.url)
        with connect(bridge.url) as first, connect(bridge.url) as second:
            first.sendall(f"GET {COMPUTE}?{ENDLESS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            wait_stats(server.url, runs_running=1)
            second.sendall(f"GET {COMPUTE}?width=8&height=8&num_threads=1&data=1 HTTP/1.1\r\nHost: localhost\r\n"
                           "X-Request-Id: second\r\n\r\n".encode())
            wait_stats(server.url, runs_queued=1)
            first.close()
            self.assertEqual(second.recv(12), b"HTTP/1.1 200")
        line, = (line for line in map(self.parse, self.lines_of(bridge)) if line["request_id"] == "second")
        self.assertGreater(float(line["queue_ms"]), float(line["run_ms"]))
        self.assertEqual(server.close(), 0)

    def test_off_by_option_and_by_environment(self):
        os.environ["TILERY_BRIDGE_ACCESS_LOG"] = "off"
        self.addCleanup(os.environ.pop, "TILERY_BRIDGE_ACCESS_LOG")
        for bridge in self.start(), self.start("--access-log=off"):
            self.ask(bridge)
            self.assertEqual(self.lines_of(bridge), [])

    def test_another_format_is_a_usage_error(self):
        answer = subprocess.run([program("tilery-bridge"), "--access-log", "xml"], capture_output=True, text=True,
                                timeout=60, check=False)
        self.assertEqual(answer.returncode, 64)
        self.assertIn('--access-log is "xml"; it must be', answer.stderr)

    def test_a_client_that_left_is_499(self):
        server = Process("tileryd", "--listen", "tcp://127.0.0.1:0")
        bridge = self.start("--backend", server.url)
        with connect(bridge.url) as peer:
            peer.sendall(f"GET {COMPUTE}?{ENDLESS} HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: left\r\n\r\n".encode())
            wait_stats(server.url, runs_running=1)
        wait_stats(server.url, runs_running=0)
        line, = map(self.parse, self.lines_of(bridge))
        self.assertEqual((line["level"], line["status"], line["request_id"]), ("warn", "499", "left"))
        self.assertEqual(server.close(), 0)
        self.assertRegex(server.said, r"request_id=left\.[0-9a-f]{20} .*code=CANCELLED")

    def test_nothing_that_a_caller_writes_forges_a_line_or_reaches_the_terminal(self):
        bridge = self.start()
        hostile = ["/%0Ats=x%20level=info%20status=200", "/%1b[2J%c2%9b%ff", "/%22%5c", '/a"b', "/%0d%0a" + 900 * "%01"]
        for path in hostile:
            self.assertEqual(get(bridge.url, path, headers={"X-Request-Id": 'a"b\\c=d'})[0].status, 404)
        with connect(bridge.url) as peer:
            peer.sendall(b"G\x1b[31m" + 300 * b"\xff" + b" / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            while peer.recv(65536):
                pass
        lines = self.lines_of(bridge)
        self.assertRegex("".join(lines), r"\A[ -~]*\Z")
        fields = [self.parse(line) for line in lines]
        self.assertEqual(sorted(line["status"] for line in fields), 5 * ["404"] + ["405"])  # two workers write them
        self.assertIn("/\nts=x level=info status=200", [line["path"] for line in fields])
        self.assertEqual([line["request_id"] for line in fields].count('a"b\\c=d'), 5)


class Trace(BridgeTest):
    def setUp(self):
        self.server = Process("tileryd", "--listen", "tcp://127.0.0.1:0")
        self.bridge = self.start("--backend", self.server.url)

    def tearDown(self):
        self.assertEqual(self.server.close(), 0)

    def ask(self, *given, path="/healthz"):
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", *(f"Traceparent: {g}" for g in given)]
        with connect(self.bridge.url) as peer:
            peer.sendall("\r\n".join(lines + ["", ""]).encode())
            answer = b"".join(iter(lambda: peer.recv(65536), b""))
        found = re.search(rb"\r\ntraceparent: (00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2}))\r\n", answer)
        return [group.decode() for group in found.groups()]

    def test_a_trace_goes_on_with_a_span_of_its_own(self):
        for given, flags in ((GIVEN, "01"), (GIVEN[:-2] + "00", "00"), (GIVEN[:-2] + "ff", "01"), (GIVEN[:-2] + "fe", "00"),
                             ("cc" + GIVEN[2:], "01"), ("cc" + GIVEN[2:] + "-what-the-future-holds", "01")):
            _, trace, span, sampled = self.ask(given)
            self.assertEqual((trace, sampled), (TRACE, flags), given)
            self.assertNotIn(span, (PARENT, 16 * "0"))

    def test_without_a_good_one_there_is_a_new_trace(self):
        bad = [(), ("",), ("x",), (GIVEN.upper(),), ("ff" + GIVEN[2:],), (GIVEN + "-x",), (GIVEN[:-1],), (GIVEN, GIVEN),
               (f"00-{32 * '0'}-{PARENT}-01",), (f"00-{TRACE}-{16 * '0'}-01",), (GIVEN.replace("-", "_"),)]
        traces = set()
        for given in bad:
            _, trace, _, sampled = self.ask(*given)
            self.assertEqual(sampled, "00", given)
            traces.add(trace)
        self.assertEqual(len(traces - {TRACE, 32 * "0"}), len(bad))

    def test_the_server_hears_of_it(self):
        spans = {path: self.ask(GIVEN, path=path + "?width=8&height=8&num_threads=1")[0]
                 for path in (COMPUTE, "/api/compute/health", "/api/compute/image.png", "/api/compute/stream")}
        spans["data"] = self.ask(GIVEN, path=COMPUTE + "?width=8&height=8&num_threads=1&data=1")[0]
        self.assertEqual(self.server.close(), 0)
        lines = [line for line in self.server.said.split("\n") if " method=" in line]
        for method, count in ("Compute", 1), ("Health/Check", 1), ("OpenStream", 3), ("NextTiles", 3):
            found = {line.split(" traceparent=")[1] for line in lines if method + " " in line}
            self.assertEqual(len(found & set(spans.values())), count, self.server.said)
        self.assertTrue(all(" traceparent=" in line for line in lines), self.server.said)
        self.assertEqual({line.split(" traceparent=")[1] for line in lines}, set(spans.values()))
        self.server.close = lambda: 0


class Token(BridgeTest):
    def setUp(self):
        self.file = tempfile.NamedTemporaryFile("w", suffix=".token")
        self.addCleanup(self.file.close)
        self.write("correct-horse-battery")

    def write(self, token):
        self.file.seek(0)
        self.file.truncate()
        self.file.write(token + "\n")
        self.file.flush()

    def ask(self, bridge, token=None, path=COMPUTE + "?width=8&height=8", method="GET", scheme="Bearer "):
        headers = {"Origin": "http://localhost:4100"}
        if token is not None:
            headers["Authorization"] = scheme + token
        response, body = get(bridge.url, path, method, headers)
        self.assertEqual(response.headers["Access-Control-Allow-Origin"], "http://localhost:4100")
        if response.status == 401:
            self.assertEqual(response.headers["WWW-Authenticate"], "Bearer")
            self.assertEqual(list(json.loads(body)), ["success", "error"])
        return response.status

    def hang_up(self, bridge):
        bridge.process.send_signal(signal.SIGHUP)
        while "SIGHUP" not in (line := bridge.process.stderr.readline()):
            pass
        return line

    def test_what_computes_wants_the_token(self):
        bridge = self.start("--token-file", self.file.name)
        for token in (None, "", "correct-horse-batterx", "correct-horse-batter", "correct-horse-battery2", 5000 * "x"):
            for path in COMPUTE, "/api/compute/sequential", "/api/compute/trace.json", "/nothing", "/healthz2":
                for method in "GET", "POST", "PUT":
                    self.assertEqual(self.ask(bridge, token, path, method), 401, (token, path, method))
        self.assertEqual(self.ask(bridge, "correct-horse-battery", scheme="Basic "), 401)
        self.assertEqual(self.ask(bridge, "correct-horse-battery", scheme="bearer "), 200)
        self.assertEqual(self.ask(bridge, "correct-horse-battery"), 200)
        self.assertEqual(self.ask(bridge, "correct-horse-battery", "/nothing"), 404)
        self.assertNotIn("horse", "".join(self.lines_of(bridge)))

    def test_health_and_preflights_are_open(self):
        bridge = self.start("--token-file", self.file.name)
        for path in "/healthz", "/readyz", "/api/compute/health":
            self.assertEqual(self.ask(bridge, None, path), 200)
        self.assertEqual(self.ask(bridge, None, COMPUTE, "OPTIONS"), 204)

    def test_with_a_token_any_host_will_do_unless_some_are_named(self):
        for options, status in ((), 200), (("--allow-host", "tilery.example"), 403):
            bridge = self.start("--token-file", self.file.name, *options)
            headers = {"Host": "other.example", "Authorization": "Bearer correct-horse-battery"}
            self.assertEqual(get(bridge.url, COMPUTE + "?width=8&height=8", headers=headers)[0].status, status)

    def test_two_tokens_are_none(self):
        bridge = self.start("--token-file", self.file.name)
        with connect(bridge.url) as peer:
            peer.sendall(f"GET {COMPUTE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer correct-horse-battery\r\n"
                         "Authorization: Bearer correct-horse-battery\r\n\r\n".encode())
            self.assertEqual(peer.recv(12), b"HTTP/1.1 400")

    def test_sighup_reads_it_again(self):
        bridge = self.start("--token-file", self.file.name)
        self.write("another-horse-battery")
        self.assertEqual(self.ask(bridge, "correct-horse-battery"), 200)
        self.assertIn("has been read again", self.hang_up(bridge))
        self.assertEqual([self.ask(bridge, word + "-horse-battery") for word in ("correct", "another")], [401, 200])
        self.write("short")
        self.assertIn("the old token stays in force: ", self.hang_up(bridge))
        self.assertEqual([self.ask(bridge, word) for word in ("short", "another-horse-battery")], [401, 200])
        self.assertEqual(bridge.close(), 0)

    def test_a_file_that_holds_no_token_is_a_usage_error(self):
        self.write("short")
        for path in self.file.name, "/nowhere/token":
            answer = subprocess.run([program("tilery-bridge"), "--token-file", path], capture_output=True, text=True,
                                    timeout=60, check=False)
            self.assertEqual((answer.returncode, answer.stdout), (64, ""))
            self.assertIn(f'tilery-bridge: --token-file "{path}"', answer.stderr)


if __name__ == "__main__":
    unittest.main()
