#!/usr/bin/env python3
"""What the command line draws on a terminal, and tiles' counts, which come the same way."""
import array
import base64
import codecs
import csv
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import tempfile
import termios
import unittest

from programs import OPTIONS, ServedTest, get, program, stats, tilery, wait_stats

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
LONG = ["--width=1024", "--height=1024", "--tile-w=32", "--tile-h=32", "--max-iter=65535", "--kernel=scalar",
        "--num-threads=1", "--time-limit-ms=1500"]
ENDLESS = ["--width=2048", "--height=2048", "--max-iter=65535", "--kernel=scalar", "--time-limit-ms=600000"]
TRUE = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8", "NO_COLOR": ""}


class Terminal:
    """A tilery whose stderr, and stdout where it is not given, is a terminal of that size."""

    def __init__(self, server, *arguments, size=(24, 80), stdout=None, environment=None):
        self.master, self.slave = pty.openpty()
        self.resize(*size)
        self.said = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.process = subprocess.Popen([program("tilery"), "--server", server, *arguments], stderr=self.slave,
                                        stdout=stdout or self.slave, stdin=subprocess.DEVNULL,
                                        env={**os.environ, **TRUE, **(environment or {})})

    def resize(self, lines, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def wait_for(self, pattern):
        while not re.search(pattern, self.said):
            self.said += self.decoder.decode(os.read(self.master, 65536))

    def close(self):
        """All that it said."""
        os.close(self.slave)
        try:
            while data := os.read(self.master, 65536):
                self.said += self.decoder.decode(data)
        except OSError:  # the last writer has gone
            pass
        os.close(self.master)
        self.process.wait(timeout=60)
        return self.said


class TerminalTest(ServedTest):
    def told(self, *arguments):
        """What it writes elsewhere, and draws on the terminal meanwhile."""
        with tempfile.TemporaryFile() as file:
            drawn = Terminal(self.server.url, *arguments, stdout=file).close()
            file.seek(0)
            return file.read().decode(), drawn


def frames(said):
    """The drawn ones, each a list of lines without colours."""
    drawn = said.split(ENTER)[1].split(LEAVE)[0].split("\x1b[H")[1:]
    return [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", frame).replace("\r", "").split("\n") for frame in drawn]


class Progress(TerminalTest):
    def test_a_long_run_has_a_bar_which_is_gone_in_the_end(self):
        for command in (["compute", *LONG, "--format=csv", "--output=/dev/null"],
                        ["render", *LONG, "--output=/dev/null", "--time-limit-ms=600000", "--max-iter=2000"]):
            said = Terminal(self.server.url, *command).close()
            self.assertRegex(said, r"\r.*%  \d+ of 1024 tiles  \d+/s  (\d+:)?\d+:\d\d left\x1b\[K", command)
            self.assertRegex(said, r"\r\x1b\[K(tilery: time limit of 1500 ms .*\r\n)?\Z")
            self.assertLessEqual(max(len(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line)) for line in said.split("\r")), 79)

    def test_a_time_limit_is_told_where_the_answer_does_not_tell_it(self):
        cut = ["compute", *LONG, "--time-limit-ms=100"]
        told = re.compile(r"(?m)^(\r.*\x1b\[K)?tilery: time limit of 100 ms reached: \d+ of 1024 tiles "
                          r"done\r\n\Z")
        for how in ([], ["--verbose"], ["--data"], ["--format=csv"], ["--format=trace"]):
            self.assertRegex(self.told(*cut, *how)[1], told, how)
        for how in (["--quiet"], ["--summary"], ["--watch"], ["--format=table"], ["--time-limit-ms=60000", "--max-iter=10"]):
            self.assertNotIn("time limit", self.told(*cut, *how)[1], how)
        self.assertEqual(tilery(self.server.url, *cut).stderr, "")

    def test_measuring_has_one_too(self):
        compare = ["compare", "--width=1024", "--height=512", "--kernel=scalar", "--max-iter=500", "--runs=8"]
        for command, counted in ((compare, r"\d of 9 runs  \d+/s"),
                                 (["bench", "--duration=1s", "--warm-up=200ms"], r"\d+ answered  \d+/s"),
                                 (["bench", "--duration=1s", "--warm-up=0ms"], r"\d+ answered  \d+/s"),
                                 (["bench", "--duration=1s", "--rate=20"], r"\d+ answered  \d+/s")):
            said = Terminal(self.server.url, *command, "--output=/dev/null").close()
            self.assertRegex(said, r"\r.*%  " + counted + r"  \d+:\d\d left\x1b\[K", command)
            self.assertTrue(said.endswith("\r\x1b[K"))
        self.assertEqual(Terminal(self.server.url, *command, "--output=/dev/null", "--quiet").close(), "")

    def test_what_warms_up_is_no_part_of_the_bar(self):
        said = Terminal(self.server.url, "bench", "--duration=1s", "--warm-up=2s", "--output=/dev/null").close()
        warming, *counting = re.split(r"(?=\d+ answered)", said)
        self.assertRegex(warming, r"\r.*  0%  warming up  0:0\d left\x1b\[K")
        self.assertNotRegex(said, r"[1-9]%  warming up")
        self.assertNotIn("warming up", "".join(counting))

    def test_a_narrow_terminal_has_a_bar_and_no_figures(self):
        said = Terminal(self.server.url, "compute", *LONG, "--output=/dev/null", size=(24, 40),
                        environment={"LC_ALL": "C", "NO_COLOR": "1"}).close()
        self.assertRegex(said, r"\r[#-]{34} +\d+%\x1b\[K\r")

    def test_neither_a_short_one_nor_quiet_nor_a_pipe_has_one(self):
        self.assertEqual(Terminal(self.server.url, "compute", *OPTIONS, "--output=/dev/null").close(), "")
        quiet = Terminal(self.server.url, "compute", *LONG, "--quiet", "--output=/dev/null")
        dumb = Terminal(self.server.url, "compute", *LONG, "--output=/dev/null", environment={"TERM": "dumb"})
        verbose = Terminal(self.server.url, "compute", *LONG, "--verbose", "--output=/dev/null")
        answer = tilery(self.server.url, "compute", *LONG)
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))
        self.assertEqual((quiet.close(), dumb.close()), ("", ""))
        self.assertRegex(verbose.close(), r"^tilery: tilery\.v1\.TileCompute/Compute attempt 1 at \S+: OK after \S+ ms"
                                          r"\r\ntilery: time limit of 1500 ms .*\r\n$")

    def test_no_color_has_a_plain_bar(self):
        said = Terminal(self.server.url, "compute", *LONG, "--output=/dev/null",
                        environment={"NO_COLOR": "1", "LC_ALL": "C"}).close()
        self.assertRegex(said, r"\r[#-]{20,} ")
        self.assertNotRegex(said, r"\x1b\[[0-9;]*m")

    def test_a_stream_for_the_bar_s_sake_is_written_as_a_call_is(self):
        for name in ("json", "ndjson", "csv", "trace", "table"):
            with self.subTest(format=name):
                arguments = ["compute", *OPTIONS, "--num-threads=1", "--format", name]
                told = self.told(*arguments)[0]
                plain = tilery(self.server.url, *arguments).stdout
                numbers = r"[0-9.]+"  # times, which differ
                self.assertEqual(re.sub(numbers, "0", told).split(), re.sub(numbers, "0", plain).split())
                if name == "json":
                    self.check_documented(tilery(self.server.url, "compute", *OPTIONS).stdout)


class Statistics(TerminalTest):
    def test_times_are_told_in_units_and_help_tells_of_the_lines(self):
        said = Terminal(self.server.url, "stats").close()
        self.assertRegex(said, r"^uptime +\d+\.\d{3} s\r\nconnections +\d+\r\n")
        self.assertNotIn("_ns", said)
        lines = tilery(self.server.url, "stats").stdout
        self.assertRegex(lines, r"^uptime_ns \d+\nconnections \d+\n")
        told = " ".join(tilery(self.server.url, "stats", "--help").stdout.split())
        for word in ("calls.", "total_ns", "queue_ns", "run_ns", "p50", "p90", "p99", "max", "inf", "count", "sum"):
            self.assertIn(word, told)


class Watch(TerminalTest):
    def test_tiles_are_drawn_as_they_come_and_the_picture_stays(self):
        terminal = Terminal(self.server.url, "compute", "--watch", *LONG, "--num-threads=4")
        said = terminal.close()
        self.assertEqual((terminal.process.returncode, said.count(ENTER), said.count(LEAVE)), (0, 1, 1))
        drawn = frames(said)
        counts = [int(re.match(r" *\d+%  (\d+) of 1024 tiles", frame[-1]).group(1)) for frame in drawn]
        self.assertEqual(counts, sorted(counts))
        self.assertGreater(len(set(counts)), 1)
        for frame in drawn:
            self.assertLessEqual(len(frame), 24)
            self.assertLessEqual(max(map(len, frame)), 80)
            self.assertEqual([line[:4] for line in frame[-5:-1]], ["  0 ", "  1 ", "  2 ", "  3 "])
        last = said.split(LEAVE)[1]
        self.assertIn("\u2580", last)
        self.assertRegex(last, r"\x1b\[38;2;\d+;\d+;\d+m")
        self.assertRegex(last, r" of 1024 tiles  [0-9.]+ ms\r\n$")
        self.assertNotIn("success", said)

    def test_colours_are_what_the_terminal_can_show(self):
        for environment, has, lacks in (({"COLORTERM": ""}, r"\x1b\[38;5;\d+m", r"\x1b\[38;2;"),
                                        ({"NO_COLOR": "1"}, r"[:=-]", r"\x1b\[[0-9;]*m|\u2580"),
                                        ({"COLORTERM": "", "TERM": "vt100"}, r"[:=-]", r"\x1b\[[0-9;]*m"),
                                        ({"LC_ALL": "C"}, r"[:=-]", r"[^\x00-\x7f]")):
            said = Terminal(self.server.url, "compute", "--watch", *OPTIONS, environment=environment).close()
            self.assertRegex(said, has)
            self.assertNotRegex(said, lacks)

    def test_a_palette_by_thread_has_the_threads_colours(self):
        said = Terminal(self.server.url, "compute", "--watch", *OPTIONS, "--palette=thread").close()
        self.assertIn("\x1b[38;2;230;159;0m", said)  # lane 0

    def test_another_size_is_another_picture(self):
        terminal = Terminal(self.server.url, "compute", "--watch", *ENDLESS, "--request-id=resized")
        terminal.wait_for(r"[1-9]\d* of 1024 tiles")
        terminal.resize(12, 40)
        terminal.process.send_signal(signal.SIGWINCH)
        terminal.said = terminal.said.rsplit("\x1b[H", 1)[0]
        # The last one may not have come whole.
        while not any(len(frame) <= 12 for frame in frames(ENTER + terminal.said.split(ENTER)[-1])[:-1]):
            terminal.wait_for(re.escape(terminal.said) + ".")
        self.assertEqual(tilery(self.server.url, "cancel", "resized").returncode, 0)
        said = terminal.close()
        self.assertEqual(terminal.process.returncode, 1)
        self.assertIn("CANCELLED", said.split(LEAVE)[1])
        self.assertTrue(all(len(line) <= 40 for line in frames(said)[-1]))

    def test_signals_give_the_terminal_back_and_end_the_run(self):
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            terminal = Terminal(self.server.url, "compute", "--watch", *ENDLESS)
            terminal.wait_for(r"[1-9]\d* of 1024 tiles")
            terminal.process.send_signal(sign)
            said = terminal.close()
            self.assertEqual(terminal.process.returncode, 128 + sign)
            self.assertTrue(said.endswith(LEAVE))
            wait_stats(self.server.url, runs_running=0)

    def test_threads_without_a_lane_are_told_of_and_the_unit_is_never_cut_off(self):
        for size, threads, figures in (((24, 80), 4, r"100%  9 of 9 tiles  [0-9.]+ ms"),
                                       ((12, 80), 9, r"100%  9 of 9 tiles  [0-9.]+ ms  3 of 9 threads shown"),
                                       ((12, 30), 9, r"100%  [0-9.]+ ms  3 of 9 threads"),
                                       ((12, 20), 9, r"100%  [0-9.]+ ms"), ((12, 6), 9, "100%")):
            said = Terminal(self.server.url, "compute", "--watch", *OPTIONS, f"--num-threads={threads}",
                            size=size).close()
            self.assertRegex(said.split(LEAVE)[1], r"\n" + figures + r"\r\n$", size)

    def test_a_pause_gives_the_terminal_back_until_it_goes_on(self):
        terminal = Terminal(self.server.url, "compute", "--watch", *ENDLESS)
        terminal.wait_for(r"[1-9]\d* of 1024 tiles")
        terminal.process.send_signal(signal.SIGTSTP)
        os.waitid(os.P_PID, terminal.process.pid, os.WSTOPPED | os.WNOWAIT)
        terminal.wait_for(re.escape(LEAVE))
        terminal.process.send_signal(signal.SIGCONT)
        terminal.wait_for(re.escape(LEAVE + ENTER) + r"[^~]* of 1024 tiles")
        terminal.process.send_signal(signal.SIGINT)
        terminal.close()
        self.assertEqual(terminal.process.returncode, 130)

    def test_the_answer_still_goes_to_a_pipe(self):
        told, drawn = self.told("compute", "--watch", *OPTIONS)
        self.assertIn("\u2580", drawn)
        self.check_documented(told)

    def test_the_smallest_terminal_and_the_smallest_image_can_be_drawn(self):
        for size, shape in (((1, 1), OPTIONS), ((24, 80), ["--width=1", "--height=1"]), ((3, 10), OPTIONS),
                            ((24, 80), ["--width=3000", "--height=2"]), ((24, 80), ["--width=2", "--height=3000"])):
            terminal = Terminal(self.server.url, "compute", "--watch", *shape, size=size)
            self.assertIn(" ms\r\n" if size[1] > 40 else LEAVE, terminal.close())
            self.assertEqual(terminal.process.returncode, 0, (size, shape))

    def test_what_cannot_be_watched_is_said(self):
        answer = tilery(self.server.url, "compute", "--watch")
        self.assertEqual((answer.returncode, answer.stdout), (64, ""))
        self.assertIn("--watch draws on the terminal behind stderr", answer.stderr)
        said = Terminal(self.server.url, "compute", "--watch", "--palette=rainbow").close()
        self.assertIn('palette is "rainbow"', said)
        self.assertNotIn(ENTER, said)


class Data(ServedTest):
    SHAPE = ["--width=97", "--height=61", "--tile-w=32", "--tile-h=17", "--max-iter=300"]

    def image_of(self, tiles):
        image = array.array("H", bytes(2 * 97 * 61))
        for tile in tiles:
            x, y, columns, rows = (int(tile[key]) for key in ("tile_x", "tile_y", "columns", "rows"))
            counts = array.array("H", base64.b64decode(tile["data"], validate=True))
            self.assertEqual(len(counts), columns * rows)
            for row in range(rows):
                image[(y + row) * 97 + x:(y + row) * 97 + x + columns] = counts[row * columns:(row + 1) * columns]
        return image

    def compute(self, *arguments):
        answer = tilery(self.server.url, "compute", "--data", *self.SHAPE, *arguments)
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))
        return answer.stdout

    def test_every_format_has_the_image(self):
        raw = subprocess.run([program("tilery"), "--server", self.server.url, "render", *self.SHAPE],
                             capture_output=True, timeout=60, check=True).stdout
        expected = array.array("H", raw)
        reply = json.loads(self.compute())
        lines = [json.loads(line) for line in self.compute("--format=ndjson", "--summary").splitlines()]
        rows = list(csv.DictReader(self.compute("--format=csv").splitlines()))
        self.assertEqual(list(lines[0]), list(rows[0]))
        self.assertIn("summary", lines.pop())
        for tiles in (reply["data"], lines, rows):
            self.assertEqual(len(tiles), 16)
            self.assertEqual(self.image_of(tiles), expected)
            starts = [int(tile["start_time_ms"]) for tile in tiles]
            self.assertEqual(starts, sorted(starts))

    def test_the_json_is_the_bridge_s(self):
        _, answer = get(self.bridge.url, "/api/compute/concurrent?data=1&" +
                        "&".join(option[2:].replace("-", "_") for option in self.SHAPE))
        theirs, ours = json.loads(answer), json.loads(self.compute())
        self.assertEqual((list(ours), list(ours["data"][0]), ours["params"], ours["message"]),
                         (list(theirs), list(theirs["data"][0]), theirs["params"], theirs["message"]))
        self.assertEqual(self.image_of(ours["data"]), self.image_of(theirs["data"]))

    def test_a_range_of_tasks_and_none_at_all(self):
        tiles = json.loads(self.compute("--first-task=5", "--task-count=3"))["data"]
        self.assertEqual(sorted(tile["task_id"] for tile in tiles), [5, 6, 7])
        self.assertEqual(json.loads(self.compute("--time-limit-ms=0"))["data"], [])
        self.assertEqual(self.compute("--time-limit-ms=0", "--format=csv").count("\n"), 1)

    def test_one_tile_of_many_pieces_is_whole(self):
        shape = ["--width=700", "--height=300", "--tile-w=700", "--tile-h=300"]
        raw = subprocess.run([program("tilery"), "--server", self.server.url, "render", *shape], capture_output=True,
                             timeout=60, check=True).stdout
        for name in ("json", "ndjson", "csv"):
            said = tilery(self.server.url, "compute", "--data", *shape, "--format", name).stdout
            found = re.search(r'"data":"([^"]+)"' if name != "csv" else r",([^,\n]+)\n$", said).group(1)
            self.assertEqual(base64.b64decode(found, validate=True), raw, name)

    def test_tables_and_traces_have_no_place_for_it(self):
        for name in ("table", "trace"):
            answer = tilery(self.server.url, "compute", "--data", "--format", name)
            self.assertEqual((answer.returncode, answer.stdout), (64, ""))
            self.assertIn("json, ndjson or csv with --data", answer.stderr)

    def test_no_streams_are_left(self):
        self.compute()
        wait_stats(self.server.url, streams=0, runs_running=0)
        self.assertEqual(stats(self.server.url)["window_bytes"], "0")


if __name__ == "__main__":
    unittest.main()
