#!/usr/bin/env python3
"""tilery bench: load on a server, and what it says of it."""
import json
import os
import pty
import signal
import subprocess
import unittest

from programs import Process, ServedTest, program, stats, tilery, wait_stats

WORK = ["--width=64", "--height=48", "--tile-w=16", "--tile-h=16", "--max-iter=50", "--num-threads=1"]
SHORT = ["--duration=300ms", "--warm-up=50ms"]
ENDLESS = ["--width=65536", "--height=65536", "--tile-w=4096", "--tile-h=4096", "--max-iter=65535", "--kernel=scalar",
           "--time-limit-ms=600000"]


class Load(ServedTest):
    def bench(self, *arguments):
        answer = tilery(self.server.url, "bench", *WORK, *SHORT, *arguments)
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))
        return json.loads(answer.stdout)

    def check(self, report):
        times = [report["latency_ns"][key] for key in ("p50", "p90", "p99", "p99_9", "max")]
        self.assertEqual(times, sorted(times))
        self.assertGreater(times[0], 0)
        self.assertAlmostEqual(report["per_second"] * report["duration_ns"] / 1e9, report["answered"], 3)

    def test_clients_call_again_and_again(self):
        before = int(stats(self.server.url)["tilery.v1.TileCompute/Compute.calls.OK"]) if \
            "tilery.v1.TileCompute/Compute.calls.OK" in stats(self.server.url) else 0
        report = self.bench("--clients=3")
        self.check(report)
        self.assertEqual((report["clients"], report["rate"], report["errors"], report["interrupted"]),
                         (3, None, {}, False))
        self.assertEqual((report["unanswered"], report["unsent"], report["duration_ns"]), (0, 0, 300_000_000))
        self.assertGreater(report["answered"], 3)
        # The warm-up's calls are more than those that count.
        self.assertGreater(int(stats(self.server.url)["tilery.v1.TileCompute/Compute.calls.OK"]) - before,
                           report["answered"])

    def test_thousands_of_calls_in_flight_take_no_thread_each(self):
        with subprocess.Popen([program("tilery"), "--server", self.server.url, "bench", *WORK, "--clients=3000",
                               "--duration=1s", "--timeout=30s"], stdout=subprocess.PIPE, text=True) as bench:
            most = 0
            while bench.poll() is None:
                try:
                    most = max(most, len(os.listdir(f"/proc/{bench.pid}/task")))
                except FileNotFoundError:
                    break
            report = json.loads(bench.stdout.read())
        self.assertEqual(report["clients"], 3000)
        self.assertLess(most, 100)

    def test_a_rate_sends_as_many_as_it_says(self):
        report = self.bench("--rate=40", "--duration=500ms", "--warm-up=0ms")
        self.check({**report, "per_second": report["answered"] * 2})
        self.assertEqual((report["clients"], report["rate"], report["errors"]), (1024, 40, {}))
        self.assertLessEqual(report["answered"], 20)  # those answered after the end count in the latency alone

    def test_calls_held_up_by_a_slow_one_count_as_slow(self):
        """The one place is taken for 100 ms: of 100 calls in a second, an average one is sent a good deal late, though
        each alone takes as long as ever."""
        slow = ["--width=65536", "--height=65536", "--tile-w=8", "--tile-h=65536", "--max-iter=65535",
                "--kernel=scalar", "--time-limit-ms=100"]
        report = self.bench(*slow, "--rate=100", "--clients=1", "--duration=1s", "--warm-up=0ms")
        self.assertGreater(report["unsent"], 0)
        self.assertGreater(report["latency_ns"]["p50"], 200_000_000)
        self.assertGreater(report["latency_ns"]["max"], 700_000_000)

    def test_failures_are_counted_by_their_code(self):
        busy = Process("tileryd", "--listen", "tcp://127.0.0.1:0", "--max-queue=0", "--max-threads=1")
        answer = tilery(busy.url, "bench", *WORK, *SHORT, "--clients=50")
        report = json.loads(answer.stdout)
        self.assertEqual(answer.returncode, 0)
        self.assertGreater(report["errors"]["RESOURCE_EXHAUSTED"], 0)
        self.assertEqual(set(report["errors"]), {"RESOURCE_EXHAUSTED"})
        self.assertEqual(busy.close(), 0)

    def test_timeouts_are_failures_and_all_of_them_the_exit_status(self):
        answer = tilery(self.server.url, "bench", *ENDLESS, *SHORT, "--timeout=100ms")
        self.assertEqual((answer.returncode, answer.stdout), (4, ""))  # already the first, by itself

    def test_a_server_that_goes_away_is_counted_and_ends_nothing(self):
        server = Process("tileryd", "--listen", "tcp://127.0.0.1:0")
        with subprocess.Popen([program("tilery"), "--server", server.url, "--verbose", "bench", *WORK, "--duration=10s",
                               "--warm-up=0ms"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as bench:
            for _ in range(20):
                self.assertIn(": OK after ", bench.stderr.readline())
            server.process.kill()
            report = json.loads(bench.communicate(timeout=60)[0])
        server.process.communicate()
        self.assertEqual((bench.returncode, set(report["errors"])), (0, {"UNAVAILABLE"}))
        self.assertGreater(report["answered"], 10)

    def test_ctrl_c_prints_what_there_is(self):
        for sign in (signal.SIGINT, signal.SIGTERM):
            before = int(stats(self.server.url)["tiles"])
            with subprocess.Popen([program("tilery"), "--server", self.server.url, "bench", *WORK, "--duration=1h",
                                   "--warm-up=0ms"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True) as bench:
                while int(stats(self.server.url)["tiles"]) < before + 1000:
                    self.assertIsNone(bench.poll())
                bench.send_signal(sign)
                report, said = bench.communicate(timeout=60)
            self.assertEqual((bench.returncode, said), (128 + sign, ""))
            report = json.loads(report)
            self.check(report)
            self.assertTrue(report["interrupted"])
            self.assertGreater(report["answered"], 0)
        wait_stats(self.server.url, runs_running=0, runs_queued=0)

    def test_ctrl_c_does_not_wait_for_an_answer(self):
        limited = [option.replace("600000", "500") for option in ENDLESS]
        with subprocess.Popen([program("tilery"), "--server", self.server.url, "bench", *limited, "--tile-w=64",
                               "--tile-h=64", "--duration=1h", "--warm-up=0ms", "--clients=2"],
                              stdout=subprocess.PIPE, text=True) as bench:
            wait_stats(self.server.url, runs_running=2)
            bench.send_signal(signal.SIGINT)
            report = json.loads(bench.communicate(timeout=60)[0])
        self.assertEqual((bench.returncode, report["unanswered"]), (130, 2))
        wait_stats(self.server.url, runs_running=0)

    def test_a_terminal_gets_a_table(self):
        master, slave = pty.openpty()
        subprocess.run([program("tilery"), "--server", self.server.url, "--quiet", "bench", *WORK, *SHORT],
                       stdout=slave, timeout=60, check=True)
        os.close(slave)
        said = os.read(master, 65536).decode()
        os.close(master)
        self.assertRegex(said, r"answered +\d+ in 0\.300 s, [0-9.]+ a second; 16 clients\r\n")
        self.assertRegex(said, r"latency ms( +\d+\.\d{3}){5}\r\n$")

    def test_a_table_of_a_rate_fits_into_80_columns(self):
        answer = tilery(self.server.url, "bench", *WORK, *SHORT, "--rate=1000000", "--clients=10000", "--format=table")
        self.assertEqual(answer.returncode, 0)
        self.assertRegex(answer.stdout, r"\nwanted +1000000 a second, at most 10000 in flight\n")
        self.assertTrue(all(len(line) <= 80 for line in answer.stdout.splitlines()), answer.stdout)

    def test_what_is_wrong_is_named(self):
        for arguments, code, said in ((["--clients=0"], 64, '--clients is "0"; it must be a whole number from 1'),
                                      (["--clients=10001"], 64, "to 10000"), (["--rate=0"], 64, '--rate is "0"'),
                                      (["--duration=0s"], 64, '--duration is "0s"'), (["--warm-up=1"], 64, "--warm-up"),
                                      (["--format=csv"], 64, "table or json"), (["--kernel=gpu"], 3, 'kernel is "gpu"'),
                                      (["--request-id=x"], 64, "--request-id is not an option of bench")):
            answer = tilery(self.server.url, "bench", *WORK, *arguments)
            self.assertEqual((answer.returncode, answer.stdout), (code, ""), arguments)
            self.assertIn(said, answer.stderr)
        answer = tilery("tcp://127.0.0.1:1", "bench", *WORK)
        self.assertEqual((answer.returncode, answer.stdout), (14, ""))


if __name__ == "__main__":
    unittest.main()
