#!/usr/bin/env python3
"""tilery compare: the same work under several schedules, kernels and numbers of threads."""
import csv
import json
import os
import pty
import statistics
import subprocess
import unittest

from programs import ServedTest, program, stats, tilery

WORK = ["--width=64", "--height=48", "--tile-w=16", "--tile-h=16", "--max-iter=50"]


class Compare(ServedTest):
    def compare(self, *arguments):
        answer = tilery(self.server.url, "compare", *WORK, *arguments)
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))
        return answer.stdout

    def test_every_combination_is_a_row_and_its_figures_follow_from_its_runs(self):
        reply = json.loads(self.compare("--schedule=static,dynamic,stealing", "--kernel=scalar,auto",
                                        "--num-threads=2,1", "--runs=4"))
        self.assertEqual([reply[key] for key in ("width", "height", "tile_w", "tile_h", "max_iter", "runs")],
                         [64, 48, 16, 16, 50, 4])
        rows = reply["rows"]
        self.assertEqual([(row["schedule"], row["kernel"] == "scalar", row["num_threads"]) for row in rows],
                         [(schedule, scalar, threads) for schedule in ("static", "dynamic", "stealing")
                          for scalar in (True, False) for threads in (2, 1)])
        self.assertEqual(reply["baseline"], 1)  # the first of one thread
        for row in rows:
            self.assertEqual((len(row["wall_ns"]), sorted(row["wall_ns"])), (4, row["wall_ns"]))
            self.assertGreater(row["wall_ns"][0], 0)
            median = statistics.median(row["wall_ns"])
            self.assertLessEqual(abs(row["wall_ns_median"] - median), 1)
            fewest = next(other for other in rows if other["kernel"] == row["kernel"] and other["num_threads"] == 1)
            self.assertAlmostEqual(row["speedup"] * median / statistics.median(rows[1]["wall_ns"]), 1, 6)
            self.assertAlmostEqual(row["efficiency"] * median * row["num_threads"] /
                                   statistics.median(fewest["wall_ns"]), 1, 6)
            self.assertAlmostEqual(row["tiles_per_s"] * median / 12e9, 1, 6)
            self.assertGreaterEqual(row["imbalance"], 1)

    def test_rounds_take_every_combination_in_turn(self):
        """One to warm up, and as many as were asked for."""
        before = int(stats(self.server.url)["tiles"])
        self.compare("--schedule=static,cyclic", "--num-threads=1,2,3", "--runs=2")
        self.assertEqual(int(stats(self.server.url)["tiles"]) - before, 12 * 6 * 3)

    def test_csv_has_the_same_rows(self):
        rows = list(csv.DictReader(self.compare("--num-threads=1,2", "--runs=1", "--format=csv").splitlines()))
        self.assertEqual([(row["schedule"], row["num_threads"], row["runs"]) for row in rows],
                         [("static", "1", "1"), ("static", "2", "1")])
        self.assertEqual({float(rows[0]["speedup"]), float(rows[0]["efficiency"])}, {1.0})
        self.assertEqual(rows[0]["wall_ns_least"], rows[0]["wall_ns_most"])

    def test_a_terminal_gets_a_table(self):
        master, slave = pty.openpty()
        subprocess.run([program("tilery"), "--server", self.server.url, "compare", *WORK, "--num-threads=1,2",
                        "--output=-", "--quiet"], stdout=slave, stderr=subprocess.PIPE, timeout=60, check=True)
        os.close(slave)
        said = os.read(master, 65536).decode().splitlines()
        os.close(master)
        self.assertEqual(said[0].split(), ["schedule", "kernel", "threads", "wall", "ms", "least..most", "speedup",
                                           "efficiency", "imbalance"])
        self.assertEqual([line.split()[2] for line in said[1:3]], ["1", "2"])
        self.assertTrue(all(len(line) <= 80 for line in said))

    def test_the_table_tells_how_many_threads_a_schedule_uses_where_it_uses_fewer(self):
        table = self.compare("--num-threads=5,16", "--format=table", "--runs=1")
        rows, note = table.split("\n\n")
        self.assertEqual([row.split()[2] for row in rows.splitlines()[1:]], ["4/5", "12/16"])  # 3 tiles each, or 1
        self.assertIn("threads: how many the schedule uses, of how many were asked for", note)
        self.assertNotIn("threads: ", self.compare("--num-threads=4", "--format=table"))

    def test_what_is_wrong_is_named(self):
        for arguments, code, said in ((["--schedule=static,random"], 64, 'tilery: --schedule is "random"'),
                                      (["--num-threads=1,"], 64, '--num-threads is ""'),
                                      (["--num-threads=1,999"], 64, '--num-threads is "999"'),
                                      (["--kernel=,auto"], 64, '--kernel is ",auto"'),
                                      (["--kernel=auto,gpu"], 3, 'kernel is "gpu"'),
                                      (["--num-threads=" + ",".join(["1"] * 1001)], 64, "at most 1000"),
                                      (["--num-threads=" + ",".join(["1"] * 500), "--kernel=auto,auto,scalar"], 64,
                                       "the lists make 1500 combinations"),
                                      (["--runs=0"], 64, '--runs is "0"'), (["--format=png"], 64, '--format is "png"'),
                                      (["--mode=sequential"], 64, "--mode is not an option of compare"),
                                      (["--time-limit-ms=0"], 4, "--time-limit-ms is 0; 12 of 12 tiles were left undone")):
            answer = tilery(self.server.url, "compare", *WORK, *arguments)
            self.assertEqual((answer.returncode, answer.stdout), (code, ""), arguments)
            self.assertIn(said, answer.stderr)


if __name__ == "__main__":
    unittest.main()
