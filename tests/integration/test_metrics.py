#!/usr/bin/env python3
"""What /metrics says, read strictly, and with promtool where there is one."""
import os
import shutil
import signal
import socket
import subprocess
import threading
import unittest
from http.client import HTTPConnection

from programs import QUERY, Process, ServedTest, get
from prometheus import Metrics

REQUESTS, DURATION = "tilery_bridge_requests_total", "tilery_bridge_request_duration_seconds"
COMPUTE = "tilery.v1.TileCompute/Compute"


def scrape(url):
    response, body = get(url, "/metrics")
    assert response.status == 200 and response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Metrics(body.decode("ascii"))


def settled(url, requests):
    """The metrics once so many requests were counted, those of /metrics aside, and none but the last is in hand: each
    is counted when its answer was sent."""
    while True:
        metrics = scrape(url)
        done = sum(value for (name, labels), value in metrics.samples.items()
                   if name == REQUESTS and ("route", "/metrics") not in labels)
        if done >= requests and metrics.value("tilery_bridge_requests_in_hand") == 1:
            return metrics


class Reader(unittest.TestCase):
    def test_what_is_not_the_format_is_refused(self):
        head = "# HELP a_total x\n# TYPE a_total counter\n"
        times = "# HELP t_seconds x\n# TYPE t_seconds histogram\n"
        Metrics(head + 'a_total{b="c"} 1\na_total 2\n')
        Metrics(times + 't_seconds_bucket{le="+Inf"} 1\nt_seconds_sum 1\nt_seconds_count 1\n')
        for bad in ("a_total 1\n", head + "a_total 1", head + "a_total x\n", head + "a_total -1\n", head + "b 1\n",
                    head + "a_total 1\na_total 1\n", head + 'a_total{b="c"\n', head + 'a_total{b="c",} 1\n',
                    head + 'a_total{b="c""} 1\n', head + 'a_total{b="c",b="d"} 1\n', head + head,
                    head + "\na_total 1\n",
                    "# HELP a x\n# TYPE a counter\na 1\n", "# HELP a_ms x\n# TYPE a_ms gauge\na_ms 1\n",
                    times + 't_seconds_bucket{le="1"} 1\nt_seconds_sum 1\nt_seconds_count 1\n',
                    times + 't_seconds_bucket{le="+Inf"} 2\nt_seconds_sum 1\nt_seconds_count 1\n',
                    times + 't_seconds_bucket{le="1"} 2\nt_seconds_bucket{le="+Inf"} 1\n'
                            't_seconds_sum 1\nt_seconds_count 1\n'):
            with self.subTest(bad=bad), self.assertRaises((AssertionError, KeyError, ValueError)):
                Metrics(bad)


class Served(ServedTest):
    def test_what_is_not_sent_again_is_counted_by_its_status(self):
        etag = get(self.bridge.url, "/web/style.css")[0].headers["ETag"]
        self.assertEqual(get(self.bridge.url, "/web/style.css", headers={"If-None-Match": etag})[0].status, 304)
        metrics = settled(self.bridge.url, 2)
        self.assertEqual(metrics.value(REQUESTS, route="/web/{file}", method="GET", code="304"), 1)

    def test_requests_are_counted_by_route_method_and_status(self):
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0")
        paths = [("GET", "/api/compute/concurrent?" + QUERY, 200)] * 3 + [
            ("HEAD", "/api/compute/concurrent", 200), ("GET", "/api/compute/sequential?width=0", 400),
            ("POST", "/api/compute/trace.json", 400), ("OPTIONS", "/api/compute/health", 204),
            ("BREW", "/healthz", 405)]
        sent = len(get(bridge.url, "/readyz", headers={"Host": "evil.example"})[1])
        for method, path, status in paths:
            response, body = get(bridge.url, path, method, body="{" if method == "POST" else None)
            self.assertEqual(response.status, status)
            sent += len(body)
        for number in range(5):
            sent += len(get(bridge.url, f"/nothing/{number}?{number}")[1])
        before = settled(bridge.url, 1 + len(paths) + 5)
        self.assertEqual(before.value(REQUESTS, route="/readyz", method="GET", code="403"), 1)
        for method, path, status in paths:
            named = "other" if method == "BREW" else method
            self.assertEqual(before.value(REQUESTS, route=path.split("?")[0], method=named, code=str(status)),
                             paths.count((method, path, status)))
        self.assertEqual(before.value(REQUESTS, route="other", method="GET", code="404"), 5)
        self.assertEqual(before.labels(REQUESTS, "route") - {path.split("?")[0] for _, path, _ in paths},
                         {"other", "/readyz", "/metrics"} & before.labels(REQUESTS, "route"))
        self.assertEqual(before.value(DURATION + "_count", route="/api/compute/concurrent"), 4)
        self.assertGreater(before.value(DURATION + "_sum", route="/api/compute/concurrent"), 0)
        self.assertEqual(before.value("tilery_bridge_request_body_bytes_total"), 1)
        self.assertGreaterEqual(before.value("tilery_bridge_response_body_bytes_total"), sent)
        self.assertGreaterEqual(before.value("tilery_bridge_connections"), 1)
        self.assertEqual(bridge.close(), 0)

    def test_nothing_is_lost_and_nothing_falls_while_many_compute(self):
        clients, each, errors = 64, 20, []
        server = Process("tileryd", "--listen", "tcp://127.0.0.1:0", "--max-queue", "128")
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", server.url)

        def compute():
            connection = HTTPConnection(bridge.url.removeprefix("http://"), timeout=60)
            for _ in range(each):
                connection.request("GET", "/api/compute/concurrent?width=8&height=8&num_threads=1&time_limit_ms=60000")
                response = connection.getresponse()
                if response.status != 200 or len(response.read()) < 100:
                    errors.append(response.status)
            connection.close()

        threads = [threading.Thread(target=compute) for _ in range(clients)]
        for thread in threads:
            thread.start()
        last = {}
        while any(thread.is_alive() for thread in threads):
            metrics = scrape(bridge.url)
            now = {series: value for family, kind in metrics.families.items() if kind != "gauge"
                   for series, value in metrics.of_family[family].items()}
            for series, value in last.items():
                if metrics.value("tilery_server_up", server=server.url) or not series[0].startswith("tilery_server_"):
                    self.assertGreaterEqual(now[series], value, series)
            last.update(now)
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        after = settled(bridge.url, clients * each)
        route = "/api/compute/concurrent"
        self.assertEqual(after.value(REQUESTS, route=route, method="GET", code="200"), clients * each)
        self.assertEqual(after.value(DURATION + "_count", route=route), clients * each)
        self.assertEqual(after.value("tilery_server_calls_total", server=server.url, method=COMPUTE, code="OK"),
                         clients * each)
        self.assertEqual(after.value("tilery_server_tiles_total", server=server.url), clients * each)
        self.assertEqual([bridge.close(), server.close()], [0, 0])

    def test_a_streamed_answer_s_bytes_are_counted(self):
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", self.server.url)
        _, body = get(bridge.url, "/api/compute/concurrent?width=256&height=256&tile_w=4&tile_h=4&time_limit_ms=60000")
        after = settled(bridge.url, 1).value("tilery_bridge_response_body_bytes_total")
        self.assertGreaterEqual(after, len(body))
        self.assertLess(after, len(body) + (1 << 20))
        self.assertEqual(bridge.close(), 0)

    def test_each_server_tells_of_itself_under_its_address(self):
        other = Process("tileryd", "--listen", "tcp://127.0.0.1:0", "--max-threads", "7")
        dead = 'tcp://127.0.0.1:1'
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend",
                         ",".join((self.server.url, other.url, dead, other.url)))
        while True:  # until both are connected
            metrics = scrape(bridge.url)
            if all(metrics.value("tilery_server_up", server=one.url) for one in (self.server, other)):
                break
        self.assertEqual(metrics.value("tilery_server_threads_limit", server=other.url), 7)
        usable = len(os.sched_getaffinity(0))  # a quota may leave fewer
        self.assertTrue(1 <= metrics.value("tilery_server_cpus", server=other.url) <= usable)
        self.assertIn(("tilery_server_up", (("server", dead),)), metrics.samples)
        self.assertEqual(metrics.value("tilery_server_up", server=dead), 0)
        self.assertEqual(metrics.labels("tilery_server_tiles_total", "server"), {self.server.url, other.url})
        for _ in range(4):
            self.assertEqual(get(bridge.url, "/api/compute/concurrent?" + QUERY)[0].status, 200)
        after = scrape(bridge.url)
        self.assertEqual(after.value("tilery_server_tiles_total", server=other.url), 18)
        self.assertEqual(after.value("tilery_server_calls_total", server=other.url, method=COMPUTE, code="OK"), 2)
        self.assertEqual(after.value("tilery_server_run_duration_seconds_count", server=other.url, method=COMPUTE), 2)
        self.assertEqual(other.close(), 0)
        while scrape(bridge.url).value("tilery_server_up", server=other.url) != 0:
            continue
        self.assertEqual(scrape(bridge.url).value("tilery_server_up", server=self.server.url), 1)
        self.assertEqual(bridge.close(), 0)

    def test_a_server_that_does_not_answer_spoils_nothing(self):
        server = Process("tileryd", "--listen", "tcp://127.0.0.1:0")
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", server.url + "," + self.server.url)
        while not all(scrape(bridge.url).value("tilery_server_up", server=one.url) for one in (server, self.server)):
            continue
        server.process.send_signal(signal.SIGSTOP)
        os.waitpid(server.process.pid, os.WUNTRACED)  # all its threads have stopped
        host, port = bridge.url.removeprefix("http://").split(":")
        leaves = socket.create_connection((host, int(port)), timeout=60)
        leaves.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        get(bridge.url, "/healthz")
        leaves.close()
        metrics = scrape(bridge.url)
        self.assertEqual(metrics.value("tilery_server_up", server=server.url), 0)
        self.assertEqual(metrics.value("tilery_server_up", server=self.server.url), 1)
        self.assertGreater(metrics.value(REQUESTS, route="/metrics", method="GET", code="200"), 0)
        server.process.send_signal(signal.SIGCONT)
        self.assertEqual(bridge.close(), 0)  # and LeakSanitizer finds nothing
        self.assertEqual(server.close(), 0)

    def test_prometheus_own_parser_reads_the_same(self):
        try:
            from prometheus_client.parser import text_string_to_metric_families
        except ImportError:
            self.skipTest("python3-prometheus-client is not installed")
        get(self.bridge.url, "/api/compute/concurrent?" + QUERY)
        text = get(self.bridge.url, "/metrics")[1].decode("ascii")
        families = list(text_string_to_metric_families(text))
        self.assertEqual({(sample.name, tuple(sorted(sample.labels.items()))): sample.value
                          for family in families for sample in family.samples}, Metrics(text).samples)
        self.assertEqual({family.name: family.type for family in families},
                         {name.removesuffix("_total"): kind for name, kind in Metrics(text).families.items()})
        self.assertTrue(all(family.documentation for family in families))

    @unittest.skipUnless(shutil.which("promtool"), "no promtool: client/install-deps.sh tests")
    def test_promtool_finds_nothing(self):
        get(self.bridge.url, "/api/compute/concurrent?" + QUERY)
        _, body = get(self.bridge.url, "/metrics")
        done = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, timeout=60,
                              check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))


if __name__ == "__main__":
    unittest.main()
