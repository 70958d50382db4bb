#!/usr/bin/env python3
"""What a client may do to a container of few resources: it is refused or served, and the container lives on."""
import http.client
import threading
import unittest

from containers import Container, prepare
from programs import QUERY, ServedTest, get

BRIDGE = "http://127.0.0.1:8405"
CLIENTS = 16
# What the compose file gives each.
MEMORY = ["--memory", "512m", "--memory-swap", "512m"]
# The most records that a request may have, and the largest tiles.
MILLION_TILES = "width=65536&height=65536&tile_w=64&tile_h=64&max_iter=1&time_limit_ms=1000&num_threads=2"
HUGE_TILES = "width=65536&height=65536&tile_w=4096&tile_h=4096&max_iter=1&time_limit_ms=1000&num_threads=64"
# A picture ends early where a band is not done within the limit, as on a busy machine.
WITHIN = "width=4096&height=4096&tile_w=1024&tile_h=512&max_iter=1&time_limit_ms=60000&num_threads=4"
# What is asked, and the only answers there are to it.
ATTACKS = {
    "records": (f"concurrent?{MILLION_TILES}", {200, 429}),
    "counts": (f"concurrent?data=1&{WITHIN}", {200, 429}),
    "too many counts": (f"concurrent?data=1&{HUGE_TILES}", {400}),
    "pictures": (f"image.png?{WITHIN}", {200, 429}),
    "too large pictures": (f"image.png?{HUGE_TILES}", {400}),
    "traces": (f"trace.json?{MILLION_TILES}", {200, 429}),
    "streams": (f"stream?{HUGE_TILES}", {200, 429}),
    "threads": ("concurrent?width=512&height=512&tile_w=8&tile_h=8&num_threads=256", {200, 429}),
}


def setUpModule():
    prepare()


class Attacked(ServedTest):
    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def run_one(self, *arguments, **options):
        container = Container(*arguments, **options)
        self.addCleanup(container.close)
        return container

    def attack(self, path):
        """Many clients at once; the statuses that they get, of which a connection that is closed has none."""
        statuses = []

        def ask():
            try:
                statuses.append(get(BRIDGE, path)[0].status)
            except (OSError, http.client.HTTPException) as error:
                statuses.append(repr(error))
        asking = [threading.Thread(target=ask, daemon=True) for _ in range(CLIENTS)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join(180)
        self.assertEqual(len(statuses), CLIENTS)
        return statuses

    def check_alive(self, *containers):
        for container in containers:
            state = container.inspect()["State"]
            self.assertTrue(state["Running"], container.logs()[-2000:])
            self.assertFalse(state["OOMKilled"])
        response, body = get(BRIDGE, "/api/compute/concurrent?" + QUERY)
        self.assertEqual(response.status, 200, body)
        self.check_documented(body)

    def check_attacks(self, *containers):
        for name, (path, answers) in ATTACKS.items():
            with self.subTest(name):
                statuses = self.attack(f"/api/compute/{path}")
                print(f"{name}: {sorted(map(str, statuses))}")
                self.assertLessEqual(set(statuses), answers)
                self.check_alive(*containers)

    def test_the_all_in_one_is_not_killed_for_the_memory_of_what_it_is_asked(self):
        self.check_attacks(self.run_one("tilery", options=MEMORY))

    def test_a_bridge_and_its_server_are_not_killed_for_the_memory_of_what_they_are_asked(self):
        server = self.run_one("tileryd", options=MEMORY)
        self.check_attacks(self.run_one("tilery-bridge", options=MEMORY), server)


if __name__ == "__main__":
    unittest.main()
