#!/usr/bin/env python3
"""The programs over two servers."""
import json
import re
import signal
import subprocess
import tempfile
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

from programs import QUERY, SANITIZED, Process, get, program, stats, tilery
from test_stream_http import LARGE, Stream
from test_terminal import Terminal

# Within the main cardioid: seconds of work for two threads.
SLOW = "width=256&height=256&tile_w=32&tile_h=32&region=-0.1,-0.1,0.2,0.2&kernel=scalar&schedule=dynamic&num_threads=2" \
       f"&max_iter={65535 if SANITIZED else 20000}&time_limit_ms=600000"


class Servers(unittest.TestCase):
    """Two servers, one of which is killed."""

    def setUp(self):
        self.servers = [Process("tileryd", "--listen", "tcp://127.0.0.1:0") for _ in range(2)]
        self.urls = ",".join(server.url for server in self.servers)

    def tearDown(self):
        self.assertEqual(self.servers[0].close(), 0)

    def kill_one(self):
        self.assertEqual(self.servers[1].close(signal.SIGKILL), -signal.SIGKILL)

    def kill_whose_tiles_come(self):
        while not (asked := [server for server in self.servers
                             if stats(server.url).get("tilery.v1.TileCompute/NextTiles.calls.OK", "0") != "0"]):
            pass
        if asked == self.servers[:1]:
            self.servers.reverse()
        self.kill_one()

    def test_the_bridge_serves_as_long_as_one_of_its_backends_does(self):
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", self.urls)
        self.assertEqual([get(bridge.url, "/api/compute/concurrent?" + QUERY)[0].status for _ in range(10)], [200] * 10)
        self.kill_one()
        self.assertEqual([get(bridge.url, "/api/compute/concurrent?" + QUERY)[0].status for _ in range(10)], [200] * 10)
        self.assertEqual(bridge.close(), 0)

    def test_the_tiles_of_a_stream_tell_by_which_clock_their_times_are(self):
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", self.urls)
        stream = Stream(bridge.url, LARGE, buffer=4096)
        events = stream.events()
        tiles = [value for _, _, value in [next(events), next(events)]][1:]
        if stats(self.servers[0].url)["streams"] == "1":
            self.servers.reverse()
        self.kill_one()
        *rest, (_, _, summary), (_, _, end) = [event for event in events if event[1] != "heartbeat"]
        tiles += [value for _, _, value in rest]
        attempts = [tile["attempt"] for tile in tiles]
        self.assertEqual((attempts[0], attempts == sorted(attempts), sorted(set(attempts))), (0, True, [0, 1]))
        self.assertEqual(sorted(tile["task_id"] for tile in tiles), list(range(1024)))
        ends = [tile["start_time_ns"] + tile["duration_ns"] for tile in tiles if tile["attempt"] == 1]
        self.assertLessEqual(max(ends), summary["wall_ns"])
        self.assertLessEqual(attempts.count(1), summary["tiles_done"])
        self.assertEqual(end, {"tiles": 1024})
        stream.close()
        self.assertEqual(bridge.close(), 0)

    def test_records_with_counts_tell_so_too(self):
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", self.urls)
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(get, bridge.url, f"/api/compute/concurrent?{SLOW}&data=1&precision=ns&summary=1")
            self.kill_whose_tiles_come()
            response, body = asked.result(120)
        answer = json.loads(body)
        self.assertEqual(response.status, 200, answer)
        order = [(record["attempt"], record["start_time_ms"]) for record in answer["data"]]
        self.assertEqual((order, order[-1][0]), (sorted(order), 1))
        self.assertEqual(sorted(record["task_id"] for record in answer["data"]), list(range(64)))
        self.assertLessEqual(max(record["start_time_ns"] + record["duration_ns"] for record in answer["data"]
                                 if record["attempt"] == 1), answer["summary"]["wall_ns"])
        self.assertEqual(bridge.close(), 0)

    def lose_one_amid(self, output_format):
        """What the command line writes, and says, of a run that it shows a bar of, whose server is killed."""
        options = [f"--{pair.replace('_', '-')}" for pair in SLOW.split("&")]
        with tempfile.TemporaryFile("w+") as file:
            shown = Terminal(self.urls, "compute", *options, "--format", output_format, stdout=file)
            self.kill_whose_tiles_come()
            said = shown.close()
            file.seek(0)
            self.assertEqual(shown.process.returncode, 0, said)
            self.assertRegex(said, r"tilery: warning: a server was lost: the times of the last \d+ of 64 tiles are since another")
            return file.read()

    def test_the_records_of_a_run_that_has_a_bar_tell_so_too(self):
        records = [json.loads(line) for line in self.lose_one_amid("ndjson").splitlines()]
        order = [(record["attempt"], record["start_time_ms"]) for record in records]
        self.assertEqual((order, order[0][0], order[-1][0]), (sorted(order), 0, 1))
        self.assertEqual(sorted(record["task_id"] for record in records), list(range(64)))

    def test_so_do_the_rows_of_a_table_for_programs(self):
        head, *rows = self.lose_one_amid("csv").splitlines()
        self.assertTrue(head.endswith(",duration_ns,attempt"), head)
        self.assertEqual([row.rsplit(",", 1)[1] for row in rows], sorted(row.rsplit(",", 1)[1] for row in rows))
        self.assertEqual((len(rows), rows[0][-2:], rows[-1][-2:]), (64, ",0", ",1"))

    def test_a_trace_has_a_process_for_each_clock(self):
        tiles = [event for event in json.loads(self.lose_one_amid("trace"))["traceEvents"] if event["ph"] == "X"]
        self.assertEqual((len(tiles), {event["pid"] for event in tiles}), (64, {1, 2}))

    def test_the_command_line_takes_the_server_that_is_there(self):
        self.kill_one()
        for urls in self.urls, ",".join(reversed(self.urls.split(","))):
            self.assertEqual(tilery(urls, "compute").returncode, 0)
        answer = tilery(self.servers[1].url + ",tcp://127.0.0.1:1", "compute")
        self.assertEqual(answer.returncode, 14)
        self.assertIn(f"`tileryd --listen {self.servers[1].url}`", answer.stderr)
        answer = tilery(self.urls + ",nonsense", "compute")
        self.assertEqual(answer.returncode, 64)
        self.assertIn('tilery: --server is "nonsense"', answer.stderr)

    def test_each_server_that_gets_a_token_in_clear_is_warned_about(self):
        self.kill_one()
        with tempfile.NamedTemporaryFile("w", suffix=".token") as token:
            token.write("0123456789abcdef\n")
            token.flush()
            answer = tilery(self.servers[0].url + ",tcp://192.0.2.1:5570", "--token-file", token.name, "info")
        self.assertEqual(answer.returncode, 0)
        self.assertEqual(re.findall(r"warning: (\S+) does not encrypt", answer.stderr), ["tcp://192.0.2.1:5570"])

    def test_an_image_is_whole_though_a_server_is_killed_in_the_middle(self):
        size = ["--width", "4096", "--height", "16384", "--max-iter", "20"]
        whole = subprocess.run([program("tilery"), "--server", self.servers[0].url, "render", *size],
                               capture_output=True, timeout=60, check=True).stdout
        with subprocess.Popen([program("tilery"), "--server", self.urls, "render", *size],
                              stdout=subprocess.PIPE) as process:
            image = process.stdout.read(1000)
            self.kill_one()
            image += process.stdout.read()
        self.assertEqual((process.returncode, len(image), image == whole), (0, 4096 * 16384 * 2, True))


class Caller(threading.Thread):
    """Asks on and on, over one connection."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.connection = HTTPConnection(url.removeprefix("http://"), timeout=60)
        self.sent = self.answered = 0
        self.seen = []  # each status once in a row
        self.changed = threading.Condition()
        self.over = False
        self.start()

    def run(self):
        while not self.over:
            self.sent += 1
            self.connection.request("GET", "/api/compute/concurrent?" + QUERY)
            response = self.connection.getresponse()
            response.read()
            self.answered += 1
            with self.changed:
                if self.seen[-1:] != [response.status]:
                    self.seen.append(response.status)
                    self.changed.notify()

    def wait(self, status):
        with self.changed:
            while self.seen[-1:] != [status]:
                if not self.changed.wait(60):
                    raise AssertionError(f"no {status} after {self.seen}")

    def end(self):
        self.over = True
        self.join(60)
        self.connection.close()


class Backend(unittest.TestCase):
    """One server, which goes away under load and comes back."""

    def test_every_request_is_answered_while_the_backend_is_away_and_when_it_is_back(self):
        server = Process("tileryd", "--listen", "tcp://127.0.0.1:0")
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", server.url)
        callers = [Caller(bridge.url) for _ in range(16)]
        for _ in range(3):
            for caller in callers:
                caller.wait(200)
            self.assertEqual(server.close(signal.SIGKILL), -signal.SIGKILL)
            for caller in callers:
                caller.wait(503)
            self.assertEqual(get(bridge.url, "/readyz")[0].status, 503)
            server = Process("tileryd", "--listen", server.url)
        for caller in callers:
            caller.wait(200)
        for caller in callers:
            caller.end()
        self.assertEqual([caller.answered for caller in callers], [caller.sent for caller in callers])
        self.assertEqual({status for caller in callers for status in caller.seen}, {200, 503})
        self.assertEqual(get(bridge.url, "/readyz")[0].status, 200)
        self.assertEqual((bridge.close(), server.close()), (0, 0), bridge.said)


if __name__ == "__main__":
    unittest.main()
