#!/usr/bin/env python3
"""Pictures from the bridge: the command line's own, whoever asks for however many, and whoever leaves."""
import http.client
import json
import socket
import subprocess
import threading
import unittest

from programs import SANITIZED, Process, ServedTest, connect, get, most_memory, program, stats, wait_stats
from prometheus import Metrics

PATH = "/api/compute/image.png"
PALETTES = ["grey", "viridis", "magma", "thread"]
# Minutes of work for a thread; the image has many bands.
ENDLESS = "width=4096&height=4096&max_iter=65535&region=-0.1,-0.1,0.2,0.2&kernel=scalar"
# The first of its two bands is quick, for what is above escapes at once; the second is not.
HALF = "width=4096&height=2048&max_iter=65535&region=-0.1,-4,0.2,4.2&kernel=scalar&schedule=dynamic"


def fields(query):
    return dict(pair.split("=") for pair in query.split("&") if pair)


class Pictures(ServedTest):
    def render(self, query):
        options = ["--" + pair.replace("_", "-") for pair in query.split("&") if pair]
        done = subprocess.run([program("tilery"), "--server", self.server.url, "render", *options, "--format", "png"],
                              capture_output=True, timeout=120, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout

    def picture(self, query, **arguments):
        response, answer = get(self.bridge.url, PATH + "?" + query, **arguments)
        self.assertEqual((response.status, response.headers["Content-Type"]), (200, "image/png"), answer[:300])
        return response, answer

    def ask(self, query, buffer=0):
        peer = connect(self.bridge.url, buffer)
        peer.sendall(f"GET {PATH}?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return peer

    def metrics(self):
        return Metrics(get(self.bridge.url, "/metrics")[1].decode())

    def check_free(self):
        """Nothing is left of anybody, on either side."""
        wait_stats(self.server.url, threads_computing=0, threads_held=0, runs_running=0, runs_queued=0, streams=0)
        while (metrics := self.metrics()).value("tilery_bridge_requests_in_hand") > 1:
            continue
        self.assertEqual(metrics.value("tilery_bridge_reply_bytes"), 0)
        self.assertEqual(self.picture("width=8&height=8")[0].status, 200)

    def check_refused(self, query, status, *named):
        response, answer = get(self.bridge.url, PATH + "?" + query)
        self.assertEqual(response.status, status, answer[:300])
        error = json.loads(answer)["error"]
        for name in named:
            self.assertIn(name, error)

    def check_cut(self, peer):
        """The answer began well and ends before its end."""
        response = http.client.HTTPResponse(peer)
        response.begin()
        self.assertEqual(response.status, 200)
        with self.assertRaises((http.client.IncompleteRead, ConnectionResetError)):
            response.read()
        peer.close()


class Whole(Pictures):
    def test_they_are_the_command_line_s_in_every_palette(self):
        for palette in PALETTES:
            for query in ("", "width=150&height=101&tile_w=32&tile_h=17&max_iter=90", "width=1&height=1&max_iter=1",
                          "region=-0.8,0.05,0.1,0.1&max_iter=65535&width=64&height=64"):
                # Whose tile is whose is certain where the schedule is fixed.
                query += "&num_threads=3&schedule=cyclic&palette=" + palette
                self.assertTrue(self.picture(query)[1] == self.render(query.lstrip("&")), query)
        self.assertTrue(self.picture("")[1] == self.render("palette=viridis"))

    def test_a_body_asks_for_the_same(self):
        query = "width=200&height=100&palette=magma&max_iter=77"
        for body in (json.dumps(fields(query)), json.dumps({**fields(query), "width": 200, "height": 100})):
            _, answer = self.picture("", method="POST", headers={"Content-Type": "application/json"}, body=body)
            self.assertTrue(answer == self.render(query))

    def test_the_headers_say_what_it_is(self):
        response, _ = self.picture("width=20&height=10", headers={"Origin": "http://localhost:3000"})
        self.assertEqual(response.headers["Content-Disposition"], 'inline; filename="mandelbrot-20x10.png"')
        self.assertEqual(response.headers["Access-Control-Allow-Origin"], "http://localhost:3000")
        self.assertIn("X-Request-Id", response.headers)
        response, answer = get(self.bridge.url, PATH + "?width=20", "HEAD")
        self.assertEqual((response.status, response.headers["Content-Type"], answer), (200, "image/png", b""))

    def test_large_ones_take_little_memory(self):
        side = 2048 if SANITIZED else 6144  # 72 MiB of counts
        for query in (f"width={side}&height={side}&max_iter=30&palette=thread&num_threads=1",
                      f"width={side}&height={side}&max_iter=1"):  # which zlib makes nearly nothing of
            before = most_memory(self.bridge)
            _, answer = self.picture(query)
            self.assertTrue(answer == self.render(query), query)
            self.assertLessEqual(most_memory(self.bridge) - before, 48 << 20)

    def test_thirty_at_once_are_all_whole(self):
        query, answers = "width=1000&height=1000&max_iter=60&num_threads=2", []
        threads = [threading.Thread(target=lambda: answers.append(self.picture(query)[1])) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(answers), 30)
        self.assertEqual(set(answers), {self.render(query)})
        self.check_free()


class Refused(Pictures):
    def test_what_is_wrong_is_named(self):
        for query, status, *named in (
                ("palette=blue", 400, 'palette is "blue"', "grey, viridis, magma or thread"),
                ("palette=", 400, 'palette is ""'), ("palette=GREY", 400, 'palette is "GREY"'),
                ("palette=grey&palette=grey", 400, "palette is given twice"),
                ("width=0", 400, 'width is "0"'), ("kernel=gpu", 400, 'kernel is "gpu"'),
                ("width=65536&height=65536&tile_w=1&tile_h=1", 400, "make 4294967296 tiles"),
                ("width=65536&height=65536&tile_w=1&tile_h=65536", 400, "tile_h is 65536", str(512 << 20)),
                ("time_limit_ms=0", 504, "time_limit_ms is 0; 130 of a band's 130 tiles were left undone")):
            self.check_refused(query, status, *named)
        response, answer = get(self.bridge.url, PATH, "POST", {}, '{"palette": true}')
        self.assertEqual((response.status, "palette is a boolean" in answer.decode()), (400, True))
        self.check_free()

    def test_elsewhere_a_palette_is_unknown_and_so_ignored(self):
        self.assertEqual(get(self.bridge.url, "/api/compute/concurrent?palette=blue")[0].status, 200)

    def test_methods_are_named(self):
        response, _ = get(self.bridge.url, PATH, "DELETE")
        self.assertEqual((response.status, response.headers["Allow"]), (405, "GET, HEAD, POST, OPTIONS"))

    def test_without_a_server_it_is_503(self):
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", "tcp://127.0.0.1:1")
        self.assertEqual(get(bridge.url, PATH)[0].status, 503)
        self.assertEqual(bridge.close(), 0)

    def test_beyond_the_budget_it_is_429_before_anything_is_computed(self):
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", self.server.url,
                         "--reply-budget-mib", "1")
        with connect(bridge.url, 4096) as peer:  # one alone may be larger
            peer.sendall(f"GET {PATH}?{ENDLESS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            wait_stats(self.server.url, runs_running=1)
            opened = stats(self.server.url)["tilery.v1.TileCompute/OpenStream.calls.OK"]
            response, answer = get(bridge.url, PATH)
            self.assertEqual((response.status, response.headers["Retry-After"]), (429, "1"))
            self.assertIn(f"of {1 << 20} are taken by others", json.loads(answer)["error"])
            self.assertEqual(stats(self.server.url)["tilery.v1.TileCompute/OpenStream.calls.OK"], opened)
        self.check_free()
        while Metrics(get(bridge.url, "/metrics")[1].decode()).value("tilery_bridge_reply_bytes"):
            continue
        self.assertEqual(get(bridge.url, PATH)[0].status, 200)
        self.assertEqual(bridge.close(), 0)


class Ends(Pictures):
    def wait_begun(self, peer):
        """Returns when the first band has come."""
        self.assertEqual(peer.recv(len("HTTP/1.1 200"), socket.MSG_PEEK | socket.MSG_WAITALL), b"HTTP/1.1 200")

    def test_a_client_that_leaves_before_the_first_band_frees_its_threads(self):
        for leave in (socket.socket.close, lambda peer: peer.shutdown(socket.SHUT_WR)):
            peer = self.ask(ENDLESS + "&num_threads=2")
            wait_stats(self.server.url, threads_computing=2)
            leave(peer)
            self.check_free()
            peer.close()

    def test_a_client_that_leaves_between_bands_frees_its_threads(self):
        peer = self.ask(HALF + "&num_threads=2")
        self.wait_begun(peer)
        wait_stats(self.server.url, threads_computing=2)
        peer.close()
        self.check_free()

    def test_many_that_leave_at_any_time_leave_nothing_behind(self):
        for query in (ENDLESS, HALF, "width=3000&height=3000&max_iter=9", "width=64&height=64"):
            for _ in range(20):
                self.ask(query, 4096).close()
        peers = [self.ask(ENDLESS) for _ in range(40)]
        for peer in peers:
            peer.close()
        self.check_free()

    def test_one_that_does_not_read_holds_up_nobody(self):
        peers = [self.ask("width=6000&height=6000&max_iter=300&region=-0.75,0.05,0.1,0.1", 4096) for _ in range(4)]
        for peer in peers:
            self.wait_begun(peer)
        query = "width=300&height=200"
        self.assertTrue(self.picture(query)[1] == self.render(query))
        for peer in peers:
            peer.close()
        self.check_free()

    def test_a_time_limit_within_the_picture_cuts_it_short(self):
        limit_ms = 30000 if SANITIZED else 3000  # far more than the first band takes, and less than the second
        peer = self.ask(f"{HALF}&time_limit_ms={limit_ms}")
        self.check_cut(peer)
        self.check_free()

    def test_a_server_that_is_lost_cuts_the_picture_short(self):
        server = Process("tileryd", "--listen", "tcp://127.0.0.1:0")
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", server.url)
        peer = connect(bridge.url)
        peer.sendall(f"GET {PATH}?{HALF} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.wait_begun(peer)
        wait_stats(server.url, threads_computing=4)
        server.close(9)
        self.check_cut(peer)
        self.assertEqual(bridge.close(), 0)

    def test_a_bridge_that_ends_finishes_what_is_in_hand(self):
        bridge = Process("tilery-bridge", "--listen", "127.0.0.1:0", "--backend", self.server.url)
        query = "width=5000&height=5000&max_iter=50"
        peer = connect(bridge.url, 4096)
        peer.sendall(f"GET {PATH}?{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        self.wait_begun(peer)
        ending = threading.Thread(target=bridge.close)
        ending.start()
        response = http.client.HTTPResponse(peer)
        response.begin()
        self.assertTrue(response.read() == self.render(query))
        peer.close()
        ending.join()
        self.assertEqual(bridge.process.returncode, 0)


if __name__ == "__main__":
    unittest.main()
