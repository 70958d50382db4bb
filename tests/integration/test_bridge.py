#!/usr/bin/env python3
"""The HTTP bridge."""
import contextlib
import json
import re
import select
import signal
import socket
import subprocess
import time
import unittest

from programs import FIELDS, OPTIONS, QUERY, RECORD_KEYS, Process, ServedTest, connect, document_reply, get, program, \
    tilery, until, without_times


class Bridge(ServedTest):
    def test_concurrent_answers_the_documented_request_as_documented(self):
        response, body = get(self.bridge.url, "/api/compute/concurrent?" + QUERY)
        self.assertEqual((response.status, response.headers["Content-Type"]), (200, "application/json"))
        self.check_documented(body)

    def test_defaults_are_the_documented_ones(self):
        _, body = get(self.bridge.url, "/api/compute/concurrent")
        self.assertEqual(json.loads(body)["params"],
                         {"width": 800, "height": 600, "tile_w": 64, "tile_h": 64, "max_iter": 256,
                          "time_limit_ms": 2000, "num_threads": 4, "mode": "concurrent"})

    def test_many_records_stream_out_whole(self):
        _, body = get(self.bridge.url,
                      "/api/compute/concurrent?width=512&height=512&tile_w=2&tile_h=2&max_iter=1&time_limit_ms=60000")
        self.assertEqual(sorted(record["task_id"] for record in json.loads(body)["data"]), list(range(65536)))

    def test_bad_parameters_are_400_in_the_documented_shape(self):
        bad = [f"{field}={value}" for field in FIELDS for value in ("", "x", "-1", "4294967392", "%00", "1%20")]
        for query in bad + ["width=5&width=5", "width=65536&height=65536&tile_w=1&tile_h=1"]:
            with self.subTest(query=query):
                response, body = get(self.bridge.url, "/api/compute/concurrent?" + query)
                reply = json.loads(body)
                self.assertEqual((response.status, list(reply), reply["success"]), (400, ["success", "error"], False))
                self.assertIn(query.split("=")[0], reply["error"])

    def test_unknown_parameters_and_num_threads_for_sequential_are_ignored(self):
        for path in ("concurrent?colour=red&width=32&height=32", "sequential?num_threads=x&width=32&height=32"):
            self.assertEqual(get(self.bridge.url, "/api/compute/" + path)[0].status, 200)

    def test_preflight_and_answers_let_a_loopback_origin_in_and_nobody_else(self):
        for method in ("OPTIONS", "GET", "HEAD"):
            for path in ("/api/compute/health", "/api/compute/concurrent?width=0"):
                response, _ = get(self.bridge.url, path, method, {"Origin": "http://localhost:4100"})
                self.assertEqual(response.headers["Access-Control-Allow-Origin"], "http://localhost:4100")
                self.assertEqual(response.headers["Access-Control-Allow-Credentials"], "true")
                self.assertIn("Content-Type, X-Origin", response.headers["Access-Control-Allow-Headers"])
                self.assertEqual(response.headers["Vary"], "Origin")
                for origin in ("http://evil.example", "http://localhost.evil.example", "http://localhost:1x", "null"):
                    response, _ = get(self.bridge.url, path, method, {"Origin": origin})
                    self.assertNotIn("Access-Control-Allow-Origin", response.headers)

    def test_unknown_routes_are_404_and_methods_405(self):
        response, body = get(self.bridge.url, "/api/compute/nothing")
        self.assertEqual((response.status, json.loads(body)["success"]), (404, False))
        response, body = get(self.bridge.url, "/api/compute/health", "DELETE")
        self.assertEqual((response.status, response.headers["Allow"]), (405, "GET, HEAD, OPTIONS"))
        response, body = get(self.bridge.url, "/api/compute/concurrent", "PUT")
        self.assertEqual((response.status, response.headers["Allow"]), (405, "GET, HEAD, POST, OPTIONS"))
        self.assertEqual(json.loads(body)["error"], "the method is PUT; it must be one of GET, HEAD, POST, OPTIONS")

    def test_a_taken_port_and_one_that_is_none_are_refused(self):
        taken = self.bridge.url.removeprefix("http://")
        for listen, code, said in ((taken, 14, "in use"), ("192.0.2.1:0", 14, "assign"), ("127.0.0.1:70000", 64, "must be"),
                                   ("127.0.0.1:", 64, "must be"), ("127.0.0.1:8x", 64, "must be")):
            result = subprocess.run([program("tilery-bridge"), "--listen", listen, "--backend", self.server.url],
                                    capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((result.returncode, result.stdout), (code, ""), listen)
            self.assertIn(listen, result.stderr)
            self.assertIn(said, result.stderr)

    def test_without_its_backend_it_is_503_and_says_so(self):
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", "tcp://127.0.0.1:1")
        response, body = get(bridge.url, "/api/compute/concurrent")
        self.assertEqual((response.status, list(json.loads(body))), (503, ["success", "error", "message"]))
        response, body = get(bridge.url, "/api/compute/health")
        reply = json.loads(body)
        self.assertEqual((response.status, reply["rustism_available"], reply["status"]), (503, False, "unavailable"))
        self.assertEqual(bridge.close(), 0)

    def test_without_its_backend_it_answers_before_others_would_have_waited(self):
        """For a server that never was there, and for one that has gone: forty times while one computation goes on."""
        long = "width=1024&height=1024&max_iter=65535&region=-0.1,-0.1,0.2,0.2&kernel=scalar&num_threads=1&time_limit_ms=20000"
        server = Process("tileryd", "--listen", "tcp://127.0.0.1:0")
        bridges = [Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", url)
                   for url in ("tcp://127.0.0.1:1", server.url)]
        self.assertEqual(get(bridges[1].url, "/readyz")[0].status, 200)
        self.assertEqual(server.close(signal.SIGKILL), -signal.SIGKILL)
        until(lambda: get(bridges[1].url, "/readyz")[0].status == 503, "the server is gone")
        with connect(self.bridge.url) as peer:
            peer.sendall(f"GET /api/compute/concurrent?{long} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            for bridge in bridges:
                for path in 5 * ["concurrent", "concurrent?data=1", "image.png", "stream"]:
                    self.assertEqual(get(bridge.url, f"/api/compute/{path}")[0].status, 503)
                    self.assertEqual(select.select([peer], [], [], 0)[0], [], path)
        self.assertEqual([bridge.close() for bridge in bridges], [0, 0])

    def test_with_the_server_inside_it_is_a_whole_system(self):
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0")
        self.check_documented(get(bridge.url, "/api/compute/concurrent?" + QUERY)[1])
        reply = json.loads(get(bridge.url, "/api/compute/health")[1])
        self.assertEqual(list(reply), ["rustism_available", "status", "message"])
        self.assertEqual(bridge.close(), 0)


class Additions(ServedTest):
    """What the document does not have: asked for, or in headers."""

    def compute(self, query="", mode="concurrent"):
        response, body = get(self.bridge.url, f"/api/compute/{mode}?{QUERY}&{query}")
        self.assertEqual(response.status, 200, body)
        return json.loads(body), body, response

    def test_an_answer_in_one_piece_and_one_in_many_are_alike(self):
        """One of up to 256 tiles comes in one piece. Compared without the numbers, and without repetitions."""
        thing = rb"\{[^{}]*(?:\{[^{}]*\})?\},\s*"
        for path, query in (("concurrent", ""), ("concurrent", "&precision=ns&summary=1&num_threads=256"),
                            ("trace.json", "&num_threads=256")):
            shapes = []
            for tiles, whole in (256, True), (257, False), (2000, False):
                size = f"width={tiles}&height=1&tile_w=1&tile_h=1&max_iter=9&time_limit_ms=600000"
                response, body = get(self.bridge.url, f"/api/compute/{path}?{size}{query}")
                self.assertEqual((response.status, "Content-Length" in response.headers), (200, whole), body[:200])
                tasks = sorted(map(int, re.findall(rb'"task_id":([0-9]+)', body)))
                self.assertEqual(tasks, list(range(tiles)))
                alike = re.sub(rb"\b[0-9][-+.e0-9]*", b"0", body)
                shapes.append(re.sub(rb"(%b(?:%b)??)\1+" % (thing, thing), rb"\1", alike))
            self.assertEqual(shapes, shapes[:1] * len(shapes))

    def test_ns_stand_beside_the_milliseconds(self):
        reply, _, _ = self.compute("precision=ns")
        for record in reply["data"]:
            self.assertEqual(list(record), RECORD_KEYS + ["start_time_ns", "duration_ns"])
            for name in ("start_time", "duration"):
                self.assertEqual(record[name + "_ms"], record[name + "_ns"] // 1000000)
            self.assertGreater(record["duration_ns"], 0)
        self.check_documented(self.compute("precision=ms&summary=0&pretty=0")[1])

    def test_the_summary_follows_the_documented_keys(self):
        reply, _, _ = self.compute("summary=1")
        summary = reply["summary"]
        self.assertEqual(list(reply), ["success", "data", "params", "message", "summary"])
        self.assertEqual((summary["tiles_planned"], summary["tiles_done"], summary["time_limited"]), (9, 9, False))
        self.assertEqual((summary["pixels"], summary["schedule"]), (96 * 96, "static"))
        self.assertEqual([thread["tiles"] for thread in summary["threads"]], [5, 4])
        cut = json.loads(get(self.bridge.url, "/api/compute/sequential?time_limit_ms=0&summary=1")[1])["summary"]
        self.assertEqual((cut["tiles_planned"], cut["tiles_done"], cut["time_limited"]), (130, 0, True))

    def test_pretty_is_the_same_over_many_lines(self):
        for query in ("width=96", "width=2048&height=2048&tile_w=16&tile_h=16"):
            path = f"/api/compute/concurrent?{query}&time_limit_ms=60000&summary=1&precision=ns"
            plain, pretty = (get(self.bridge.url, path + extra)[1].decode() for extra in ("", "&pretty=1"))
            reply = json.loads(pretty)
            self.assertEqual(pretty, json.dumps(reply, indent=2).replace("1.0,", "1,"))
            self.assertEqual(without_times(reply)["data"][0].keys(), without_times(json.loads(plain))["data"][0].keys())
            self.assertEqual(len(reply["data"]), reply["summary"]["tiles_planned"])

    def test_schedule_kernel_and_region_are_taken_and_echoed(self):
        reply, _, _ = self.compute("summary=1&schedule=cyclic&kernel=scalar&region=-0.1,-0.1,0.2,0.25")
        self.assertEqual((reply["summary"]["schedule"], reply["summary"]["kernel"]), ("cyclic", "scalar"))
        self.assertEqual(reply["summary"]["iterations"], 96 * 96 * 128)
        self.assertEqual((reply["params"]["schedule"], reply["params"]["kernel"]), ("cyclic", "scalar"))
        self.assertEqual(reply["params"]["region"], [-0.1, -0.1, 0.2, 0.25])
        self.assertEqual({record["thread_id"] for record in reply["data"] if record["task_id"] % 2 == 1}, {1})

    def test_bad_additions_are_400_and_named(self):
        for query in ("precision=us", "precision=", "summary=2", "summary=", "pretty=yes", "kernel=", "kernel=quantum",
                      "kernel=" + 40 * "x", "schedule=x", "schedule=STATIC", "region=1,2", "region=0,0,0,1",
                      "region=0,0,inf,1", "pretty=1&pretty=1", "kernel=scalar%00"):
            response, body = get(self.bridge.url, "/api/compute/concurrent?" + query)
            self.assertEqual((response.status, list(json.loads(body))), (400, ["success", "error"]), query)
            self.assertIn(query.split("=")[0], json.loads(body)["error"])

    def test_every_answer_has_its_time_and_its_id(self):
        begun = time.monotonic()
        reply, _, response = self.compute("summary=1")
        took = time.monotonic() - begun
        timing = response.headers["Server-Timing"]
        self.assertRegex(timing, r"^queue;dur=\d+\.\d{3}, run;dur=\d+\.\d{3}, total;dur=\d+\.\d{3}$")
        self.assertTrue(timing.startswith(f"queue;dur={reply['summary']['queue_ns'] // 1000 / 1000:.3f}, "), timing)
        run, total = [float(text.split("=")[1]) for text in timing.split(", ")[1:]]
        self.assertLess(run, total)
        self.assertLess(total, 1000 * took)
        self.assertRegex(response.headers["X-Request-Id"], "^[0-9a-f]{32}$")
        for path in ("/nothing", "/api/compute/health", "/api/compute/concurrent?width=0"):
            response, _ = get(self.bridge.url, path, headers={"X-Request-Id": "my-own"})
            self.assertRegex(response.headers["Server-Timing"], r"^total;dur=\d+\.\d{3}$")
            self.assertEqual(response.headers["X-Request-Id"], "my-own")
        for bad in ("a b", 65 * "x", "\x7f"):
            response, _ = get(self.bridge.url, "/nothing", headers={"X-Request-Id": bad})
            self.assertRegex(response.headers["X-Request-Id"], "^[0-9a-f]{32}$")


class Trace(ServedTest):
    def test_a_trace_has_a_lane_a_thread_and_every_tile_in_it(self):
        response, body = get(self.bridge.url, "/api/compute/trace.json?summary=0&" + QUERY)
        self.assertEqual((response.status, response.headers["Content-Type"]), (200, "application/json"))
        events = json.loads(body)["traceEvents"]
        lanes = [event for event in events if event["name"] == "thread_name"]
        self.assertEqual([lane["args"]["name"] for lane in lanes], ["thread 0", "thread 1"])
        tiles = [event for event in events if event["ph"] == "X"]
        self.assertEqual(sorted(tile["args"]["task_id"] for tile in tiles), list(range(9)))
        for lane in (0, 1):
            ends = 0
            for tile in sorted((tile for tile in tiles if tile["tid"] == lane), key=lambda tile: tile["ts"]):
                self.assertGreaterEqual(tile["ts"], ends)
                ends = tile["ts"] + tile["dur"] - 0.001
        self.assertNotIn(b"time limit", body)
        self.assertIn(b"time limit", get(self.bridge.url, "/api/compute/trace.json?time_limit_ms=0")[1])


class Operation(ServedTest):
    def test_orchestrators_learn_whether_it_lives_and_is_ready(self):
        for path, said in (("/healthz", b"ok\n"), ("/readyz", b"ready\n")):
            response, body = get(self.bridge.url, path)
            self.assertEqual((response.status, body), (200, said))
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", "tcp://127.0.0.1:1")
        self.assertEqual(get(bridge.url, "/healthz")[0].status, 200)
        self.assertEqual(get(bridge.url, "/readyz")[0].status, 503)
        self.assertEqual(bridge.close(), 0)

    def test_a_host_that_is_not_its_own_is_kept_out(self):
        named = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--allow-host", "tilery.example")
        public = Process("tilery-bridge", "--listen", "0.0.0.0:0", "--allow-host", "tilery.example")
        url = public.url.replace("0.0.0.0", "127.0.0.1")
        for host, here, there in (("localhost", 200, 200), ("LOCALHOST:8405", 200, 200), ("[::1]:1", 200, 200),
                                  ("192.0.2.7", 200, 200), ("192.0.2.7:80", 200, 200), ("[2001:db8::1]", 200, 200),
                                  ("tilery.example:80", 403, 200), ("evil.example", 403, 403), ("", 403, 403),
                                  ("127.0.0.1.evil.example", 403, 403), ("localhost:1x", 403, 403),
                                  ("127.0.0.1:", 403, 403), ("192.0.2.7:x", 403, 403), ("192.0.2", 403, 403),
                                  ("192.0.2.256", 403, 403), ("[::1", 403, 403), ("[]", 403, 403), ("[", 403, 403),
                                  ("::1", 403, 403), ("[192.0.2.7]", 403, 403), ("[::1]x", 403, 403),
                                  ("[" + 100 * "1:" + "]", 403, 403), (":80", 403, 403)):
            for asked, status in ((self.bridge.url, here), (named.url, there), (url, there)):
                response, body = get(asked, "/api/compute/health", headers={"Host": host})
                self.assertEqual(response.status, status, (host, body))
                if status == 403:
                    self.assertEqual(list(json.loads(body)), ["success", "error"])
        self.assertEqual((named.close(), public.close()), (0, 0))


class Post(ServedTest):
    def post(self, body, query="", path="concurrent"):
        response, answer = get(self.bridge.url, f"/api/compute/{path}?{query}", "POST",
                               {"Content-Type": "application/json"}, body)
        return response.status, json.loads(answer)

    def test_a_json_body_is_as_good_as_a_query(self):
        fields = {name: int(value) for name, value in (pair.split("=") for pair in QUERY.split("&"))}
        status, reply = self.post(json.dumps(fields))
        self.assertEqual((status, without_times(reply)), (200, without_times(document_reply())))
        status, reply = self.post(json.dumps({"region": [-0.1, -0.1, 0.2, 0.2], "summary": True, "kernel": "scalar",
                                              "schedule": "dynamic", "unknown": {"a": None},
                                              "num_threads": [True]}), QUERY, "sequential")
        self.assertEqual((status, reply["summary"]["iterations"]), (200, 96 * 96 * 128))
        self.assertEqual(reply["params"]["mode"], "sequential")

    def test_bad_bodies_are_400_in_words(self):
        for body, named in (("", "empty"), ("[]", "object"), ("{", "line 1"), ('{"width":1}x', "line 1"), ("\0", "line"),
                            ('{"width":4294967392}', "width"), ('{"width":-1}', "width"), ('{"width":1.5}', "width"),
                            ('{"width":18446744073709551712}', "width"), ('{"width":null}', "width"),
                            ('{"width":1,"width":1}', "width"), ('{"region":[0,0,"1",1]}', "region"),
                            ('{"region":[' + 999 * "1," + "1]}", "region"), ('{"width":"1\\u0000"}', "line 1"),
                            ('{"width":true}', "width"), ('{"kernel":false}', "kernel"), ('{"width":[5]}', "width"),
                            ('{"summary":[1]}', "summary"), ('{"region":true}', "region"), ('{"region":[5]}', "region"),
                            ('{"precision":{}}', "precision"), ('{"summary":2}', "summary"), (9999 * "[", "line 1"), (b'{"width":"\xff"}', "line 1"),
                            (b'{"palette":"\\u0\xd5\x9a\xc6\xa3"}', "line 1")):
            status, reply = self.post(body)
            self.assertEqual((status, list(reply)), (400, ["success", "error"]), body)
            self.assertIn(named, reply["error"])
        self.assertEqual(self.post('{"width":5}', "width=5")[0], 400)
        for body, said in (('{"width":null}', "width is null; it must be a number or a string"),
                           ('{"width":[5]}', "width is an array; it must be a number or a string"),
                           ('{"summary":{}}', "summary is an object; it must be a boolean, a number or a string"),
                           ('{"region":true}', "region is a boolean; it must be a string or an array of four numbers")):
            self.assertEqual(self.post(body)[1]["error"], said)

    def test_what_libmicrohttpd_itself_refuses_or_drops_leaves_nothing_behind(self):
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", self.server.url)
        self.addCleanup(bridge.process.kill)
        address = bridge.url.removeprefix("http://").split(":")
        for _ in range(5):
            with socket.create_connection((address[0], int(address[1])), timeout=60) as peer:
                peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + 900 * b"X: y\r\n" + b"\r\n")
        self.assertEqual(get(bridge.url, "/healthz")[0].status, 200)
        # Nothing is in hand, which it would wait for, for 30 s; and LeakSanitizer finds nothing.
        self.assertEqual(bridge.close(within_s=20), 0)

    def test_the_end_comes_well_while_libmicrohttpd_itself_refuses(self):
        for _ in range(12):
            bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", self.server.url)
            self.addCleanup(bridge.process.kill)
            with contextlib.ExitStack() as peers:
                for _ in range(40):
                    peer = peers.enter_context(connect(bridge.url))
                    peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + 900 * b"X: y\r\n" + b"\r\n")
                self.assertEqual(bridge.close(within_s=20), 0)

    def test_head_has_no_body_and_the_connection_goes_on_where_the_length_is_known(self):
        address = self.bridge.url.removeprefix("http://").split(":")
        with socket.create_connection((address[0], int(address[1])), timeout=60) as peer:
            for path in (b"/api/compute/health", b"/openapi.json", b"/api/compute/concurrent?width=8&height=8"):
                peer.sendall(b"HEAD " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    byte = peer.recv(1)
                    self.assertNotEqual(byte, b"", head)
                    head += byte
                self.assertTrue(head.startswith(b"HTTP/1.1 200"), head)
            self.assertEqual(peer.recv(1), b"")

    def test_what_is_too_long_is_refused_in_the_documented_shape(self):
        status, reply = self.post('{"x":"' + 65536 * "x" + '"}')
        self.assertEqual((status, list(reply)), (413, ["success", "error"]))
        response, body = get(self.bridge.url, "/api/compute/concurrent", "POST", body=iter([b"x" * 60000] * 4))
        self.assertEqual((response.status, json.loads(body)["success"]), (413, False))
        response, body = get(self.bridge.url, "/api/compute/concurrent?x=" + 8192 * "x")
        self.assertEqual((response.status, json.loads(body)["success"]), (414, False))
        self.assertEqual(get(self.bridge.url, "/api/compute/concurrent?x=" + 8000 * "x")[0].status, 200)


if __name__ == "__main__":
    unittest.main()
