#!/usr/bin/env python3
"""/api/compute/stream: events as they come, resumed where a connection was lost."""
import array
import base64
import json
import random
import signal
import subprocess
import unittest
from http.client import HTTPResponse

from programs import QUERY, RECORD_KEYS, Process, connect, get, program, stats, tilery, wait_stats
from prometheus import Metrics

STREAM = "/api/compute/stream"
NDJSON = {"Accept": "application/x-ndjson"}
TILE_KEYS = RECORD_KEYS + ["start_time_ns", "duration_ns", "columns", "rows", "attempt", "data"]
WIDTH, HEIGHT = 333, 250
IMAGE = f"width={WIDTH}&height={HEIGHT}&tile_w=16&tile_h=32&max_iter=500&time_limit_ms=600000"
# One tile that takes for ever, on one thread.
ENDLESS = "width=1024&height=1024&tile_w=1024&tile_h=1024&max_iter=65535&kernel=scalar&region=-0.2,-0.1,0.2,0.2" \
          "&time_limit_ms=600000&num_threads=1"
# Far more events than are kept, or than a connection holds.
LARGE = "width=2048&height=2048&tile_w=64&tile_h=64&max_iter=20&num_threads=1&time_limit_ms=600000"


class Stream:
    """An answer, which is read as far as it is asked to."""

    def __init__(self, url, query="", headers=None, method="GET", buffer=0):
        self.socket = connect(url, buffer)
        lines = [f"{method} {STREAM}?{query} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.socket.sendall("\r\n".join(lines + ["", ""]).encode())
        self.response = HTTPResponse(self.socket, method=method)
        self.response.begin()
        self.status, self.headers = self.response.status, self.response.headers
        self.ndjson = self.headers["Content-Type"] == NDJSON["Accept"]

    def events(self):
        """(id, name, value) of each, until the answer ends; heartbeats have no id."""
        fields = {}
        for line in self.response:
            line = line.decode().removesuffix("\n")
            if self.ndjson:
                value = json.loads(line)
                yield value.pop("id", None), value.pop("event"), value
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields == {":": ""}:
                yield None, "heartbeat", {}
                fields = {}
            else:
                yield fields["id"], fields["event"], json.loads(fields["data"])
                fields = {}

    def first(self):
        return next(self.events())

    def body(self):
        return json.loads(self.response.read())

    def close(self):
        self.response.close()
        self.socket.close()


def whole_events(text):
    """Of server-sent events that were cut off anywhere: those that are whole."""
    for block in text.decode(errors="replace").split("\n\n")[:-1]:
        fields = dict(line.partition(": ")[::2] for line in block.split("\n"))
        yield fields["id"], fields["event"], json.loads(fields["data"])


def counts_of(tile):
    return array.array("H", base64.b64decode(tile["data"], validate=True))


def draw(tiles, width, height):
    """The image of tiles, as little-endian uint16, row by row; each pixel comes once."""
    image, drawn = array.array("H", bytes(2 * width * height)), 0
    for tile in tiles:
        columns, counts = tile["columns"], counts_of(tile)
        for row in range(tile["rows"]):
            start = (tile["tile_y"] + row) * width + tile["tile_x"]
            image[start:start + columns] = counts[row * columns:(row + 1) * columns]
        drawn += len(counts)
    return image.tobytes() if drawn == width * height else None


class StreamTest(unittest.TestCase):
    def setUp(self):
        self.server = self.start("tileryd", "--listen", "tcp://127.0.0.1:0")
        self.bridge = self.start_bridge()

    def start(self, *arguments):
        process = Process(*arguments)
        self.addCleanup(lambda: process.process.returncode is None and self.assertEqual(process.close(), 0))
        return process

    def start_bridge(self, *options, server=None):
        return self.start("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", (server or self.server).url, *options)

    def open(self, query="", headers=None, bridge=None, **more):
        stream = Stream((bridge or self.bridge).url, query, headers, **more)
        self.addCleanup(stream.close)
        return stream

    def ask(self, path, method="GET", headers=None, body=None, bridge=None):
        response, answer = get((bridge or self.bridge).url, path, method, headers, body)
        return response.status, json.loads(answer) if answer else None

    def reference(self):
        if not hasattr(self, "image"):
            options = ["--" + pair.replace("_", "-") for pair in IMAGE.split("&") if "time" not in pair]
            self.image = subprocess.run([program("tilery"), "--server", self.server.url, "render", "--format", "raw",
                                         *options], capture_output=True, timeout=60, check=True).stdout
        return self.image

    def streams(self, bridge=None):
        return Metrics(get((bridge or self.bridge).url, "/metrics")[1].decode()).value("tilery_bridge_streams")


class Events(StreamTest):
    def check(self, events, tiles=9, mode="concurrent"):
        ids, names, values = zip(*events)
        self.assertEqual(names, ("run", *tiles * ["tile"], "summary", "end"))
        run = values[0]
        self.assertEqual(ids, tuple(f"{run['run']}/{n}" for n in range(1, tiles + 4)))
        self.assertRegex(run["run"], "^[0-9a-f]{32}$")
        self.assertEqual((run["tiles_planned"], run["params"]["mode"]), (tiles, mode))
        for tile in values[1:-2]:
            self.assertEqual(list(tile), TILE_KEYS)
            self.assertEqual((len(counts_of(tile)), tile["attempt"]), (tile["columns"] * tile["rows"], 0))
        self.assertEqual((values[-2]["tiles_done"], values[-2]["time_limited"]), (tiles, False))
        self.assertEqual(sum(sum(counts_of(tile)) for tile in values[1:-2]), values[-2]["iterations"])
        self.assertEqual(values[-1], {"tiles": tiles})
        return values

    def test_each_event_comes_in_its_order_and_with_its_keys(self):
        for headers, kind in ({}, "text/event-stream"), (NDJSON, NDJSON["Accept"]):
            stream = self.open(QUERY, headers)
            self.assertEqual((stream.status, stream.headers["Content-Type"]), (200, kind))
            self.assertEqual(stream.headers["Cache-Control"], "no-store")
            values = self.check(stream.events())
            # What stands elsewhere is the same here.
            answer = self.ask("/api/compute/concurrent?summary=1&" + QUERY)[1]
            self.assertEqual(values[0]["params"], answer["params"])
            self.assertEqual(list(values[-2]), list(answer["summary"]))
            stable = lambda record: {key: record[key] for key in RECORD_KEYS if "time" not in key and "dur" not in key}
            self.assertEqual(sorted((stable(tile) for tile in values[1:-2]), key=lambda tile: tile["task_id"]),
                             sorted(map(stable, answer["data"]), key=lambda tile: tile["task_id"]))
        self.assertEqual(self.streams(), 0)

    def test_the_tiles_are_the_image(self):
        for extra in "", "&mode=sequential", "&num_threads=2&schedule=stealing":
            tiles = [value for _, name, value in self.open(IMAGE + extra).events() if name == "tile"]
            self.assertEqual(draw(tiles, WIDTH, HEIGHT), self.reference())

    def test_tiles_of_any_size_are_the_image(self):
        for width, height in [(1, 1), (2, 1), (3, 1), (4, 1), (1, 5), (7, 3), (2047, 1023)]:
            query = f"width={width}&height={height}&tile_w=65536&tile_h=65536&max_iter=50&time_limit_ms=600000"
            answer = self.ask("/api/compute/concurrent?data=1&" + query)[1]["data"]
            for headers in {}, NDJSON:
                tiles = [value for _, name, value in self.open(query, headers).events() if name == "tile"]
                self.assertEqual([tile["data"] for tile in tiles], [tile["data"] for tile in answer])
                self.assertIsNotNone(draw(tiles, width, height))

    def test_a_body_is_as_good_as_a_query_and_the_mode_is_a_parameter(self):
        fields = {name: int(value) for name, value in (pair.split("=") for pair in QUERY.split("&"))}
        _, answer = get(self.bridge.url, STREAM, "POST", NDJSON, json.dumps({**fields, "mode": "sequential"}))
        lines = [json.loads(line) for line in answer.splitlines()]
        self.assertEqual([line["event"] for line in lines], ["run", *9 * ["tile"], "summary", "end"])
        self.assertEqual(lines[0]["params"]["mode"], "sequential")
        self.assertNotIn("num_threads", lines[0]["params"])
        for query in "mode=both", "mode=", "mode=concurrent&mode=concurrent", "width=0", "kernel=quantum":
            status, answer = self.ask(f"{STREAM}?{query}")
            self.assertEqual((status, list(answer)), (400, ["success", "error"]))
            self.assertIn(query.split("=")[0], answer["error"])

    def test_a_run_that_its_time_limit_cuts_short_ends_well(self):
        names = [name for _, name, _ in self.open("time_limit_ms=0").events()]
        self.assertEqual(names, ["run", "summary", "end"])

    def test_head_has_the_headers_alone(self):
        for headers, kind in ({}, "text/event-stream"), (NDJSON, NDJSON["Accept"]):
            stream = self.open("", headers, method="HEAD")
            self.assertEqual((stream.status, stream.headers["Content-Type"]), (200, kind))
        self.assertEqual(self.streams(), 0)

    def test_what_sends_nothing_else_sends_heartbeats(self):
        bridge = self.start_bridge("--heartbeat-ms", "10")
        for headers in {}, NDJSON:
            events = self.open(ENDLESS, headers, bridge).events()
            self.assertEqual(next(events)[1], "run")
            self.assertEqual([next(events) for _ in range(3)], 3 * [(None, "heartbeat", {})])


class Resuming(StreamTest):
    def resume(self, last, bridge=None, header=True):
        if header:
            return self.open(IMAGE, {"Last-Event-ID": last}, bridge)
        return self.open(f"{IMAGE}&last_event_id={last}", {}, bridge)

    def cut_and_resume(self, dice):
        stream, seen = self.open(IMAGE), []
        while not seen or seen[-1][1] != "end":
            text = stream.response.read(dice.choice((1, 100, 5000, 50000, 1000000)))
            seen += whole_events(text)
            stream.close()
            if not seen:
                return None  # it does not know its run yet
            stream = self.resume(seen[-1][0], header=dice.random() < 0.5)
        return seen

    def test_what_is_cut_anywhere_goes_on_with_nothing_lost_or_doubled(self):
        dice = random.Random(5)
        finished = 0
        while finished < 10:
            seen = self.cut_and_resume(dice)
            if seen is None:
                continue
            finished += 1
            self.assertEqual([int(name.split("/")[1]) for name, _, _ in seen], list(range(1, len(seen) + 1)))
            self.assertEqual(draw([value for _, name, value in seen if name == "tile"], WIDTH, HEIGHT), self.reference())

    def test_all_that_is_kept_can_be_asked_for_again_in_either_form(self):
        whole = list(self.open(IMAGE).events())
        run = whole[0][0].split("/")[0]
        for n in 0, 1, len(whole) // 2, len(whole) - 1:
            for headers in {}, NDJSON:
                again = self.open(IMAGE, {**headers, "Last-Event-ID": f"{run}/{n}"})
                self.assertEqual(list(again.events()), whole[n:])
        self.assertEqual(self.resume(whole[-1][0]).status, 204)  # so that a browser does not come again

    def test_ids_that_name_nothing_are_refused(self):
        stream = self.open(ENDLESS)
        run = stream.first()[0].split("/")[0]
        for last in "x", "/", run, run + "/", run + "/x", run + "/-1", run + "/1 1", run.upper() + "G/1", run + "/" + 40 * "1", \
                run + "/9999999999999999999":
            status, answer = self.ask(STREAM, headers={"Last-Event-ID": last})
            self.assertEqual((status, list(answer)), (400, ["success", "error"]), last)
            self.assertRegex(answer["error"], "^Last-Event-ID (is|names)")
        self.assertEqual(self.ask(STREAM, headers={"Last-Event-ID": 32 * "0" + "/1"})[0], 404)
        self.assertRegex(str(self.ask(f"{STREAM}?last_event_id={run}/5")), r"^\(400, .*'last_event_id names an event")

    def test_what_is_not_kept_any_more_is_gone(self):
        whole = list(self.open(LARGE).events())
        run = whole[0][0].split("/")[0]
        status, answer = self.ask(STREAM, headers={"Last-Event-ID": f"{run}/1"})
        self.assertEqual((status, answer["success"]), (410, False))
        self.assertIn("not kept", answer["error"])
        last = [event[0] for event in self.resume(whole[-100][0]).events()]
        self.assertEqual(last, [event[0] for event in whole[-99:]])

    def test_the_newer_of_two_clients_wins(self):
        old = self.open(ENDLESS)
        events = old.events()
        last, _, _ = next(events)
        new = self.open(ENDLESS, {"Last-Event-ID": last.replace("/1", "/0")})
        self.assertEqual(new.first()[0], last)
        with self.assertRaises(Exception):  # an end that is none: http.client.IncompleteRead
            self.assertEqual(list(events), [])
            raise ValueError("a plain end")
        self.assertEqual(self.streams(), 1)
        self.assertEqual(self.ask("/api/compute/runs/" + last.split("/")[0], "DELETE")[0], 204)
        self.assertEqual([name for _, name, _ in new.events()], ["failure", "end"])


class Ending(StreamTest):
    def test_a_client_that_leaves_ends_its_run_when_the_lease_is_over(self):
        bridge = self.start_bridge("--lease-ms", "1")
        for _ in range(3):
            stream = self.open(ENDLESS, {}, bridge)
            last = stream.first()[0]
            stream.close()
            wait_stats(self.server.url, threads_computing=0, streams=0)
            self.assertEqual(self.ask(STREAM, headers={"Last-Event-ID": last}, bridge=bridge)[0], 404)
        self.assertEqual(self.streams(bridge), 0)

    def test_until_then_it_goes_on(self):
        stream = self.open(ENDLESS)
        run = stream.first()[0].split("/")[0]
        stream.close()
        while Metrics(get(self.bridge.url, "/metrics")[1].decode()).value("tilery_bridge_requests_in_hand") > 1:
            pass
        self.assertEqual(self.streams(), 1)
        again = self.open(ENDLESS, {"Last-Event-ID": run + "/0"})
        self.assertEqual(again.first()[1], "run")

    def test_delete_ends_it_at_once(self):
        preflight = get(self.bridge.url, "/api/compute/runs/x", "OPTIONS", {"Origin": "http://localhost:1"})[0]
        self.assertIn("DELETE", preflight.headers["Access-Control-Allow-Methods"])
        stream = self.open(ENDLESS)
        events = stream.events()
        path = "/api/compute/runs/" + next(events)[2]["run"]
        response, _ = get(self.bridge.url, path)
        self.assertEqual((response.status, response.headers["Allow"]), (405, "DELETE, OPTIONS"))
        self.assertEqual(self.ask(path, "DELETE"), (204, None))
        (_, name, error), (_, last, end) = events
        self.assertEqual((name, last, end), ("failure", "end", {"tiles": 0}))
        self.assertEqual((list(error), error["code"]), (["success", "error", "code"], "CANCELLED"))
        wait_stats(self.server.url, threads_computing=0, streams=0)
        for path in path, "/api/compute/runs/" + 32 * "0", "/api/compute/runs/x", "/api/compute/runs/", \
                "/api/compute/runs/a/b":
            self.assertEqual(self.ask(path, "DELETE")[0], 404, path)

    def test_a_backend_that_is_gone_for_good_is_an_error_and_the_end(self):
        bridge = self.start_bridge()
        stream = self.open(ENDLESS, {}, bridge)
        events = stream.events()
        next(events)
        self.assertEqual(self.server.close(signal.SIGKILL), -signal.SIGKILL)
        names, values = zip(*[(name, value) for _, name, value in events if name != "heartbeat"])
        self.assertEqual(names, ("failure", "end"))
        self.assertEqual(list(values[0]), ["success", "error", "message", "code"])
        self.assertEqual(values[0]["code"], "UNAVAILABLE")
        self.assertEqual(self.ask(STREAM, bridge=bridge)[0], 503)

    def test_a_server_that_drains_keeps_what_is_read_slowly(self):
        server = self.start("tileryd", "--listen", "tcp://127.0.0.1:0", "--grace-ms", "60000")
        bridge = self.start_bridge("--connection-timeout-s", "600", server=server)
        stream = self.open(LARGE, {}, bridge, buffer=4096)
        events = stream.events()
        next(events)
        wait_stats(server.url, threads_computing=0, threads_held=1)  # its window is full
        server.process.send_signal(signal.SIGTERM)
        while tilery(server.url, "health").returncode == 0:
            pass
        ended = int(stats(server.url)["tilery.v1.TileCompute/NextTiles.calls.OK"])
        while int(stats(server.url)["tilery.v1.TileCompute/NextTiles.calls.OK"]) < ended + 3:
            self.assertEqual(stats(server.url)["streams"], "1")
        self.assertEqual(list(events)[-1][2], {"tiles": 1024})
        server.process.communicate(timeout=60)
        self.assertEqual(server.process.returncode, 0)

    def test_what_is_under_way_ends_with_the_bridge(self):
        bridge = self.start_bridge("--lease-ms", "600000")
        left = self.open(ENDLESS, {}, bridge)
        left.first()
        left.close()
        stream = self.open(LARGE, {}, bridge, buffer=4096)
        events = stream.events()
        next(events)
        bridge.process.send_signal(signal.SIGTERM)
        self.assertEqual([name for _, name, _ in events][-2:], ["summary", "end"])
        bridge.process.communicate(timeout=60)
        self.assertEqual(bridge.process.returncode, 0)
        wait_stats(self.server.url, threads_computing=0, streams=0)


class Many(StreamTest):
    def test_who_reads_slowly_holds_nobody_up(self):
        bridge = self.start_bridge("--connection-timeout-s", "600")
        slow = [self.open(LARGE, {}, bridge, buffer=4096) for _ in range(4)]
        for _ in range(3):
            tiles = [value for _, name, value in self.open(IMAGE, {}, bridge).events() if name == "tile"]
            self.assertEqual(draw(tiles, WIDTH, HEIGHT), self.reference())
        self.assertEqual(self.streams(bridge), len(slow))
        for stream in slow:
            self.assertEqual(list(stream.events())[-1][2], {"tiles": 1024})

    def test_two_hundred_at_once(self):
        query = "width=128&height=128&tile_w=32&tile_h=32&max_iter=100&num_threads=1&time_limit_ms=600000"
        server = self.start("tileryd", "--listen", "tcp://127.0.0.1:0", "--max-queue", "400")
        bridge = self.start_bridge(server=server)
        streams = [self.open(query, NDJSON, bridge) for _ in range(200)]
        self.assertEqual([stream.status for stream in streams], 200 * [200])
        for stream in streams:
            self.assertEqual([name for _, name, _ in stream.events()], ["run", *16 * ["tile"], "summary", "end"])
        self.assertEqual(self.streams(bridge), 0)
        wait_stats(server.url, threads_computing=0, streams=0)

    def open_with_room(self, bridge):
        while (stream := self.open(IMAGE, {}, bridge)).status == 429:
            stream.close()  # the end of what is over may have been read before the bridge is done with it
        self.assertEqual(stream.status, 200)
        return stream

    def test_those_that_the_budget_has_no_room_for_are_told_so_and_what_is_over_makes_room(self):
        bridge = self.start_bridge("--reply-budget-mib", "1")
        ends = [list(self.open_with_room(bridge).events())[-1] for _ in range(3)]
        self.assertEqual([name for _, name, _ in ends], 3 * ["end"])
        # Each was kept for who might come again, until there was no room.
        self.assertEqual([self.ask(STREAM, headers={"Last-Event-ID": end[0]}, bridge=bridge)[0] for end in ends],
                         [404, 404, 204])
        held = self.open(ENDLESS, {}, bridge)
        run = held.first()[2]["run"]
        refused = self.open(IMAGE, {}, bridge)
        self.assertEqual((refused.status, refused.headers["Retry-After"]), (429, "1"))
        self.assertIn("are taken by others", refused.body()["error"])
        self.assertEqual(self.ask("/api/compute/runs/" + run, "DELETE", bridge=bridge)[0], 204)
        self.assertEqual(len(list(held.events())), 2)
        held.close()
        self.open_with_room(bridge)


if __name__ == "__main__":
    unittest.main()
