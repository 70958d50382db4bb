#!/usr/bin/env python3
"""How the command line ends by a signal, by its timeout and by a reader that leaves: quietly, and nothing goes on; and
how servers end by SIGHUP."""
import os
import re
import signal
import subprocess
import tempfile
import unittest

from programs import OPTIONS, Process, ServedTest, program, stats, tilery, until, wait_stats
from test_terminal import ENTER, LEAVE, Terminal

SHAPE = ["--width=2048", "--height=2048", "--max-iter=65535", "--kernel=scalar", "--region=-0.2,-0.1,0.2,0.2"]
ENDLESS = [*SHAPE, "--time-limit-ms=600000"]
PICTURE = ["--width=4096", "--height=4096", "--max-iter=20"]
COMMANDS = {"a call": ["compute", *ENDLESS], "a stream": ["compute", "--data", *ENDLESS], "bands": ["render", *ENDLESS],
            "runs": ["compare", *ENDLESS], "a load's trial": ["bench", *ENDLESS]}
CANCELS = "tilery.v1.TileCompute/Cancel.calls.OK"
STREAMS = {"a stream", "bands"}
LISTEN = {"tileryd": "tcp://127.0.0.1:0", "tilery-bridge": "127.0.0.1:0"}


class Signals(ServedTest):
    def start(self, *arguments, **options):
        return subprocess.Popen([program("tilery"), "--server", self.server.url, *arguments], stderr=subprocess.PIPE,
                                stdout=options.pop("stdout", subprocess.PIPE), text=True, **options)

    def cancels(self):
        return int(stats(self.server.url).get(CANCELS, 0))

    def ended(self, client):
        """What became of it, and what it said."""
        _, said = client.communicate(timeout=60)
        wait_stats(self.server.url, runs_running=0, streams=0)
        return client.returncode, said

    def test_a_signal_cancels_whatever_is_under_way(self):
        for sign in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            for name, command in COMMANDS.items():
                with self.subTest(signal=sign, command=name):
                    client, before = self.start(*command), self.cancels()
                    wait_stats(self.server.url, runs_running=1)
                    client.send_signal(sign)
                    self.assertEqual(self.ended(client), (128 + sign, ""))
                    if name in STREAMS:  # which nobody's leaving ends before its lease does
                        self.assertGreater(self.cancels(), before)

    def test_a_load_says_what_it_came_to(self):
        client = self.start("bench", *OPTIONS, "--duration=1h", "--warm-up=0ms")
        while int(stats(self.server.url).get("tilery.v1.TileCompute/Compute.calls.OK", 0)) < 100:
            self.assertIsNone(client.poll())
        client.send_signal(signal.SIGINT)
        said, errors = client.communicate(timeout=60)
        self.assertEqual((client.returncode, errors), (130, ""))
        self.assertIn('"interrupted":true', said)

    def test_what_waits_in_a_queue_ends_too(self):
        busy = Process("tileryd", "--listen", "tcp://127.0.0.1:0", "--max-threads=1")
        first = [program("tilery"), "--server", busy.url, "compute", "--num-threads=1", *ENDLESS]
        with subprocess.Popen(first, stdout=subprocess.DEVNULL) as holder:
            wait_stats(busy.url, runs_running=1)
            for command in ["compute"], ["compute", "--watch"], ["compute", "--data"], ["render"], ["bench"]:
                queued = Terminal(busy.url, *command, *ENDLESS, "--output=/dev/null")
                wait_stats(busy.url, runs_queued=1)
                queued.process.send_signal(signal.SIGINT)
                queued.close()
                self.assertEqual(queued.process.returncode, 130, command)
                wait_stats(busy.url, runs_queued=0)
            holder.send_signal(signal.SIGINT)
        self.assertEqual((holder.returncode, busy.close()), (130, 0))

    def test_a_bar_is_taken_away(self):
        terminal = Terminal(self.server.url, "compute", *ENDLESS, "--output=/dev/null")
        terminal.wait_for(r" of 1024 tiles")
        terminal.process.send_signal(signal.SIGINT)
        self.assertTrue(terminal.close().endswith("\r\x1b[K"))
        self.assertEqual(terminal.process.returncode, 130)

    def test_a_server_that_does_not_answer_keeps_nobody(self):
        for further in [], [signal.SIGINT], [signal.SIGTERM]:
            hung = Process("tileryd", "--listen", "tcp://127.0.0.1:0")
            terminal = Terminal(hung.url, "compute", "--watch", *ENDLESS, "--tile-w=8", "--tile-h=8")
            terminal.wait_for(r"[1-9]\d* of 65536 tiles")
            hung.process.send_signal(signal.SIGSTOP)
            terminal.process.send_signal(signal.SIGINT)
            terminal.wait_for(re.escape(LEAVE))
            for sign in further:
                terminal.process.send_signal(sign)
            said = terminal.close()
            self.assertIn(terminal.process.returncode, {130, *(128 + sign for sign in further)})
            self.assertEqual(said.count(ENTER), 1)
            self.assertTrue(said.endswith(LEAVE))
            hung.process.kill()
            hung.process.communicate()

    def test_a_reader_that_does_not_read_keeps_nobody(self):
        client = self.start("render", *PICTURE)
        while int(stats(self.server.url).get("tilery.v1.TileCompute/OpenStream.calls.OK", 0)) < 2:
            self.assertIsNone(client.poll())  # the second band is begun before the first one is written
        client.send_signal(signal.SIGTERM)
        self.assertEqual(client.wait(timeout=60), 143)
        client.communicate()

    def test_what_the_shell_has_ignored_stays_ignored(self):
        client = self.start("compute", "--data", *ENDLESS, "--request-id=nohup",
                            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        wait_stats(self.server.url, runs_running=1)
        client.send_signal(signal.SIGHUP)
        self.assertEqual(tilery(self.server.url, "cancel", "nohup").returncode, 0)
        status, said = self.ended(client)
        self.assertEqual(status, 1)
        self.assertIn("CANCELLED", said)


class Hangups(unittest.TestCase):
    """Of servers that have nothing to read again."""

    def said_after(self, *signs):
        for name, address in LISTEN.items():
            server = Process(name, "--listen", address)
            for sign in signs[:-1]:
                server.process.send_signal(sign)
            self.assertEqual(server.close(signs[-1]), 0, name)
            yield name, server.said

    def test_they_end_as_after_another_signal(self):
        for name, said in self.said_after(signal.SIGHUP):
            self.assertIn(f"{name}: Hangup: finishing the work in hand\n", said)

    def test_one_that_is_ignored_does_not_end_them(self):
        self.addCleanup(signal.signal, signal.SIGHUP, signal.signal(signal.SIGHUP, signal.SIG_IGN))
        for name, said in self.said_after(signal.SIGHUP, signal.SIGTERM):
            self.assertIn(f"{name}: Terminated: finishing the work in hand\n", said)
            self.assertNotIn("Hangup", said)


class Readers(ServedTest):
    """Who has read enough and leaves."""

    def test_nothing_is_said_of_it_and_nothing_goes_on(self):
        for command in (["render", *PICTURE], ["render", "--format=png", *PICTURE, "--palette=thread"],
                        ["compute", "--tile-w=8", "--tile-h=8"], ["compute", "--data", "--format=csv"], ["stats"], ["info"]):
            read, write = os.pipe()
            with subprocess.Popen([program("tilery"), "--server", self.server.url, *command], stdout=write,
                                  stderr=subprocess.PIPE, text=True) as client:
                os.close(write)
                os.close(read)
                _, said = client.communicate(timeout=60)
            self.assertEqual((client.returncode, said), (128 + signal.SIGPIPE, ""), command)
            wait_stats(self.server.url, runs_running=0, streams=0)

    def test_a_full_disk_is_an_error(self):
        for command in (["compute"], ["compute", "--data", "--format=csv"], ["render"], ["render", "--format=png"],
                        ["compare", "--runs=1"], ["bench", "--duration=10ms", "--warm-up=0ms"], ["describe"], ["health"],
                        ["info"], ["stats"]):
            with open("/dev/full", "wb") as full:
                ran = subprocess.run([program("tilery"), "--server", self.server.url, *command], stdout=full,
                                     stderr=subprocess.PIPE, text=True, timeout=60, check=False)
            self.assertEqual(ran.returncode, 15, command)
            self.assertEqual(ran.stderr, "tilery: cannot write the answer: No space left on device\n")

    def test_a_closed_standard_output_is_an_error_and_no_other_file(self):
        for command in (["compute"], ["compute", "--data"], ["render"], ["bench", "--duration=10ms", "--warm-up=0ms"],
                        ["health"], ["stats"]):
            ran = subprocess.run([program("tilery"), "--server", self.server.url, *command], stderr=subprocess.PIPE,
                                 text=True, timeout=60, check=False, preexec_fn=lambda: os.closerange(0, 2))
            self.assertEqual(ran.returncode, 15, command)
            self.assertEqual(ran.stderr, "tilery: cannot write the answer: Bad file descriptor\n")

    def test_a_server_whose_standard_files_are_closed_serves_and_ends_well(self):
        with tempfile.TemporaryDirectory() as folder:
            url = f"ipc://{folder}/socket"
            with subprocess.Popen([program("tileryd"), "--listen", url], preexec_fn=lambda: os.closerange(0, 3)) as server:
                until(lambda: tilery(url, "health").returncode == 0, "the server serves")
                server.send_signal(signal.SIGTERM)
                self.assertEqual(server.wait(60), 0)


class Timeouts(ServedTest):
    def test_it_is_the_whole_of_a_computation_or_an_image(self):
        bands = ["--width=65536", "--height=65536", "--max-iter=1", "--kernel=auto"]  # a thousand, each of them short
        for command in (["compute"], ["compute", "--data"], ["render"], ["render", *bands], ["compare"], ["bench"]):
            answer = tilery(self.server.url, *command[:1], *ENDLESS, *command[1:], "--timeout=1s", "--output=/dev/null")
            self.assertEqual(answer.returncode, 4, command)
            self.assertIn("DEADLINE_EXCEEDED", answer.stderr)
            wait_stats(self.server.url, runs_running=0, streams=0)


class Unread(unittest.TestCase):
    """SIGHUPs where nobody reads stderr: each reload waits for that for a second."""
    def serve(self, name, token_file):
        unread, full = os.pipe()
        self.addCleanup(os.close, unread)
        os.set_blocking(full, False)
        try:
            while os.write(full, bytes(4096)):
                pass
        except BlockingIOError:
            os.set_blocking(full, True)
        server = subprocess.Popen([program(name), "--listen", LISTEN[name], "--token-file", token_file],
                                  stdout=subprocess.PIPE, stderr=full)
        os.close(full)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        self.assertIn(b"listening on", server.stdout.readline())
        return server

    def test_they_do_not_hold_up_the_end(self):
        def hang_up(server):
            server.send_signal(signal.SIGHUP)
            return server.poll() is not None

        with tempfile.NamedTemporaryFile("w", suffix=".token") as token_file:
            print("0123456789abcdef", file=token_file, flush=True)
            servers = [self.serve(name, token_file.name) for name in LISTEN]
            for server in servers:
                hang_up(server)
                server.send_signal(signal.SIGTERM)
                until(lambda: hang_up(server), "it does not end")  # pylint: disable=cell-var-from-loop
                self.assertEqual(server.returncode, 0)


if __name__ == "__main__":
    unittest.main()
