"""The benchmarks of calls, briefly: that they run to their end and write what they measured."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

TESTS = pathlib.Path(os.environ["TILERY_BIN"]) / "tests"


class Benchmarks(unittest.TestCase):
    def run_bench(self, name, *options):
        with tempfile.TemporaryDirectory() as folder:
            figures, chart = pathlib.Path(folder) / "figures.json", pathlib.Path(folder) / "chart.svg"
            subprocess.run([TESTS / name, "--runs=1", "--ms=20", f"--json={figures}", f"--chart={chart}", *options],
                           check=True, stdout=subprocess.DEVNULL, timeout=300)
            self.assertTrue(chart.read_text().endswith("</svg>\n"))
            return json.loads(figures.read_text())

    def check_duel(self, figures, sides, loads):
        self.assertEqual([row["side"] for row in figures["calls"]], sides * loads)
        self.assertEqual(len(figures["ratios"]), loads)
        for row in figures["calls"]:
            self.assertLess(0, row["p50_us"])
            self.assertLessEqual(row["p50_us"], row["p99_us"])
            self.assertLess(0, row["calls_per_s"])
        for row in figures["ratios"]:
            first, second = [side for side in figures["calls"] if side["load"] == row["load"]]
            for figure in ("p50_us", "p99_us", "calls_per_s"):
                self.assertAlmostEqual(row[figure][0], first[figure] / second[figure])

    def test_rpc(self):
        figures = self.run_bench("bench_rpc", "--inproc")
        self.check_duel(figures, ["tilery", "nng"], 8)
        self.assertEqual([row["where"] for row in figures["streams"]], ["tcp", "inproc"])
        self.assertEqual(len(figures["ends"]), 4)
        for row in figures["ends"]:
            self.assertLessEqual(row["median_ms"], row["most_ms"])
        self.assertEqual({row["call"] for row in figures["use"]}, {"nng alone", "Health/Check", "Compute"})

    @unittest.skipUnless((TESTS / "bench_grpc").exists(), "built without gRPC")
    def test_grpc(self):
        self.check_duel(self.run_bench("bench_grpc"), ["tilery", "gRPC"], 4)

    @unittest.skipUnless(shutil.which("wrk"), "wrk is not installed")
    def test_http(self):
        figures = self.run_bench("bench_http")
        self.assertEqual([row["side"] for row in figures["calls"]], ["libtilery", "bare", "bridge", "inside"] * 3)
        self.assertEqual([row["load"] for row in figures["calls"][::4]],
                         ["1 connection", "16 connections", "64 connections"])
        self.assertEqual([row["answer"] for row in figures["overload"]], 2 * ["200", "429"])
        for row in figures["calls"]:
            self.assertLess(0, row["p50_us"])
            self.assertLess(0, row["calls_per_s"])
        for row in figures["calls"] + figures["overload"]:  # within wrk's second perhaps no long run was answered
            self.assertLessEqual(row["p50_us"], row["p99_us"])
        self.assertEqual([row["end"] for row in figures["ends"]], ["1 client", "32 clients", "160 clients"])
        for row in figures["ends"]:
            self.assertLessEqual(row["median_ms"], row["most_ms"])
        for at, row in enumerate(figures["calls"]):
            direct = figures["calls"][at - at % 4]
            self.assertAlmostEqual(row["above_us"][0], row["p50_us"] - direct["p50_us"])

    def test_bad_options_are_refused(self):
        for name, option in (("bench_rpc", "--runs=0"), ("bench_rpc", "--ms=x"), ("bench_rpc", "--clients=1"),
                             ("bench_engine", "--runs=1001"), ("bench_engine", "--ms=20")):
            done = subprocess.run([TESTS / name, option], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 64)
            self.assertIn(option.split("=")[0].strip("-"), done.stderr)


if __name__ == "__main__":
    unittest.main()
