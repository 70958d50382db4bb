#!/usr/bin/env python3
"""data=1: the documented answer, each record with its tile's counts."""
import array
import base64
import json
import os
import unittest

from programs import (FIELDS, QUERY, RECORD_KEYS, ROOT, Process, ServedTest, connect, fnv1a, get, most_memory, stats,
                      wait_stats, without_times)
from prometheus import Metrics

CONCURRENT, SEQUENTIAL = "/api/compute/concurrent", "/api/compute/sequential"
DATA_KEYS = ["columns", "rows", "attempt", "data"]
# Within the main cardioid: minutes of work for a thread.
ENDLESS = "width=1024&height=1024&max_iter=65535&region=-0.1,-0.1,0.2,0.2&kernel=scalar&time_limit_ms=600000"


def counts_of(record):
    counts = array.array("H", base64.b64decode(record["data"], validate=True))
    if len(counts) != record["columns"] * record["rows"]:
        raise AssertionError(f"{len(counts)} counts for {record['columns']} x {record['rows']}")
    return counts


def image_of(answer):
    """The whole image's counts, put together from the tiles."""
    width, height = answer["params"]["width"], answer["params"]["height"]
    image = array.array("H", bytes(2 * width * height))
    for record in answer["data"]:
        counts = counts_of(record)
        for y in range(record["rows"]):
            at = (record["tile_y"] + y) * width + record["tile_x"]
            image[at:at + record["columns"]] = counts[y * record["columns"]:(y + 1) * record["columns"]]
    return image


class Data(ServedTest):
    def ask(self, path, query, **arguments):
        response, answer = get(self.bridge.url, path + "?" + query, **arguments)
        self.assertEqual((response.status, response.headers["Content-Type"]), (200, "application/json"), answer[:300])
        answer = json.loads(answer)
        starts = [(record.get("attempt", 0), record["start_time_ms"]) for record in answer["data"]]
        self.assertEqual(starts, sorted(starts))
        return answer

    def check_free(self):
        wait_stats(self.server.url, threads_computing=0, threads_held=0, runs_running=0, runs_queued=0, streams=0)
        while (metrics := Metrics(get(self.bridge.url, "/metrics")[1].decode())).value(
                "tilery_bridge_requests_in_hand") > 1:
            continue
        self.assertEqual(metrics.value("tilery_bridge_reply_bytes"), 0)

    def test_all_else_is_as_documented(self):
        for path in CONCURRENT, SEQUENTIAL:
            plain, full = self.ask(path, QUERY), self.ask(path, QUERY + "&data=1")
            self.assertEqual(self.ask(path, QUERY + "&data=0").keys(), plain.keys())
            self.assertEqual(list(full), list(plain))
            self.assertEqual(list(full["params"]), list(plain["params"]))
            for record in full["data"]:
                self.assertEqual(list(record), RECORD_KEYS + DATA_KEYS)
                for key in DATA_KEYS:
                    del record[key]
            self.assertEqual(without_times(full), without_times(plain))

    def test_counts_come_last_and_what_is_asked_for_beside_them_comes_too(self):
        for query in ("", "&pretty=1"):
            query += "&precision=ns&summary=1&schedule=dynamic&data=1&width=300"
            answer = self.ask(CONCURRENT, query)
            self.assertEqual(list(answer["data"][0]), RECORD_KEYS + ["start_time_ns", "duration_ns"] + DATA_KEYS)
            summary = self.ask(CONCURRENT, query.replace("data=1", "data=0"))["summary"]
            self.assertEqual(list(answer["summary"]), list(summary))
            for key in ("tiles_planned", "tiles_done", "time_limited", "pixels", "iterations", "kernel", "schedule"):
                self.assertEqual(answer["summary"][key], summary[key])
            self.assertEqual(len(answer["summary"]["threads"]), len(summary["threads"]))
            self.assertEqual(sum(image_of(answer)), summary["iterations"])

    def test_counts_are_the_reference_s(self):
        with open(os.path.join(ROOT, "tests", "vectors", "kernel_vectors.csv"), encoding="utf-8") as file:
            vectors = [line.split(",") for line in file.read().split()[1:]]
        vectors = [vector for vector in vectors if int(vector[3]) < 50_000_000 and
                   int(vector[0]) * int(vector[1]) < 500_000]
        self.assertGreater(len(vectors), 5)
        for width, height, max_iter, total, fnv in vectors:
            for path in CONCURRENT, SEQUENTIAL:
                image = image_of(self.ask(path, f"width={width}&height={height}&max_iter={max_iter}&tile_w=31&tile_h=17"
                                                "&time_limit_ms=600000&data=1"))
                self.assertEqual(sum(image), int(total))
                self.assertEqual(fnv1a(image.tobytes()), int(fnv, 16), (path, width, height, max_iter))

    def test_tiles_of_every_length_are_whole(self):
        """Lengths of every remainder that base64 knows, and some of more than one piece."""
        for tile in (1, 2, 3, 5, 64, 700):
            answer = self.ask(CONCURRENT, f"width={tile * 2 + 1}&height={tile}&tile_w={tile}&tile_h={tile}&data=1&max_iter=9")
            plain = self.ask(CONCURRENT, f"width={tile * 2 + 1}&height={tile}&tile_w={tile * 2 + 1}&tile_h={tile}"
                                         "&data=1&max_iter=9")
            self.assertEqual([len(answer["data"]), len(plain["data"])], [3, 1])
            self.assertEqual(image_of(answer), image_of(plain))

    def test_a_body_asks_for_the_same(self):
        fields = {name: int(value) for name, value in (pair.split("=") for pair in QUERY.split("&"))}
        expected = image_of(self.ask(CONCURRENT, QUERY + "&data=1"))
        for value in (True, 1, "1"):
            body = json.dumps({**fields, "data": value})
            self.assertEqual(image_of(self.ask(CONCURRENT, "", method="POST", body=body)), expected)

    def test_a_time_limit_leaves_tiles_out_and_is_no_error(self):
        for path in CONCURRENT, SEQUENTIAL:
            answer = self.ask(path, "time_limit_ms=0&data=1&summary=1")
            self.assertEqual((answer["success"], answer["data"], answer["summary"]["time_limited"]), (True, [], True))
        answer = self.ask(CONCURRENT, ENDLESS.replace("600000", "50") + "&tile_w=16&tile_h=16&data=1&summary=1")
        self.assertEqual(len(answer["data"]), answer["summary"]["tiles_done"])
        self.assertTrue(0 < len(answer["data"]) < answer["summary"]["tiles_planned"])

    def test_what_is_wrong_is_named(self):
        for query, named in (("data=2", 'data is "2"; it must be 0 or 1'), ("data=", 'data is ""'),
                             ("data=1&data=1", "data is given twice"), ("data=1&kernel=gpu", 'kernel is "gpu"'),
                             ("data=1&width=65536&height=65536&tile_w=1&tile_h=1", "make 4294967296 tiles"),
                             ("data=1&width=65536&height=65536&tile_w=512&tile_h=512",
                              "65536 x 65536 pixels takes 85"),
                             ("data=1&width=65536&height=65536&tile_w=512&tile_h=512",
                              f"at most {512 << 20} are allowed")):
            response, answer = get(self.bridge.url, CONCURRENT + "?" + query)
            self.assertEqual(response.status, 400, query)
            self.assertIn(named, json.loads(answer)["error"])
        self.assertEqual(get(self.bridge.url, "/api/compute/trace.json?data=2")[0].status, 200)
        self.check_free()

    def test_without_a_server_it_is_503(self):
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", "tcp://127.0.0.1:1")
        self.assertEqual(get(bridge.url, CONCURRENT + "?data=1")[0].status, 503)
        self.assertEqual(bridge.close(), 0)

    def test_it_takes_its_room_and_gives_it_back(self):
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", self.server.url,
                         "--reply-budget-mib", "40")
        before = most_memory(bridge)
        large = CONCURRENT + "?width=4000&height=4000&max_iter=1&tile_w=256&tile_h=256&data=1&time_limit_ms=600000"
        with connect(bridge.url, 4096) as peer:
            peer.sendall(f"GET {large} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            self.assertEqual(peer.recv(12), b"HTTP/1.1 200")
            response, answer = get(bridge.url, large)
            self.assertEqual((response.status, response.headers["Retry-After"]), (429, "1"), answer[:300])
            self.assertEqual(get(bridge.url, CONCURRENT)[0].status, 200)
        while Metrics(get(bridge.url, "/metrics")[1].decode()).value("tilery_bridge_reply_bytes"):
            continue
        self.assertEqual(len(json.loads(get(bridge.url, large)[1])["data"]), 256)
        self.assertLess(most_memory(bridge) - before, 80 << 20)
        self.assertEqual(bridge.close(), 0)

    def test_clients_that_leave_free_the_threads(self):
        cancelled = int(stats(self.server.url)["cancelled"])
        peers = [connect(self.bridge.url) for _ in range(20)]
        for peer in peers:
            peer.sendall(f"GET {CONCURRENT}?{ENDLESS}&data=1&num_threads=2 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        while stats(self.server.url)["runs_running"] == "0":
            pass
        for peer in peers:
            peer.close()
        self.check_free()
        self.assertGreater(int(stats(self.server.url)["cancelled"]), cancelled)
        self.assertEqual(list(self.ask(CONCURRENT, QUERY)["params"]), FIELDS + ["mode"])


if __name__ == "__main__":
    unittest.main()
