#!/usr/bin/env python3
"""The command line's options: which command takes which, times, what is said on stderr, and exit statuses."""
import os
import re
import socket
import subprocess
import tempfile
import unittest

from programs import OPTIONS, Process, ServedTest, program, tilery, wait_stats

NOWHERE = "tcp://127.0.0.1:1"
CODES = ["OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
         "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
         "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"]


def run(*arguments, **environment):
    return subprocess.run([program("tilery"), *arguments], env={**os.environ, **environment}, capture_output=True,
                          text=True, timeout=60, check=False)


def options_in(said):
    return re.findall(r"^ +(?:-., )?--([a-z-]+)", said, re.MULTILINE)


VALUED = {option: "1s" if value == "TIME" else "1" for option, value in
          re.findall(r"^ +(?:-., )?--([a-z-]+)=(\S+)", run("--full-help").stdout, re.MULTILINE)}


class Options(ServedTest):
    def test_an_option_that_the_command_does_not_use_is_a_usage_error(self):
        for command, option, value in (("health", "palette", "grey"), ("info", "output", "x"), ("stats", "width", "8"),
                                       ("render", "task-count", "3"), ("render", "summary", None),
                                       ("cancel", "ns", None), ("describe", "palette", "grey")):
            argument = f"--{option}" + (f"={value}" if value else "")
            answer = run("--server", NOWHERE, command, argument, *(["ID"] if command == "cancel" else []))
            self.assertEqual((answer.returncode, answer.stdout), (64, ""), command)
            self.assertIn(f"tilery: --{option} is not an option of {command}\n", answer.stderr)

    def test_an_option_that_does_nothing_beside_the_others_is_a_usage_error(self):
        for arguments, said in ((["compute", "--summary", "--format=csv"], "json, ndjson or table with --summary"),
                                (["compute", "--summary", "--format=trace"], "json, ndjson or table with --summary"),
                                (["compute", "--ns", "--format=table"], "json, ndjson, csv or trace with --ns"),
                                (["compute", "--palette=grey"], "--palette is for what --watch draws"),
                                (["render", "--palette=grey"], "--palette is for --format png; raw, the default,"),
                                (["render", "--palette=grey", "--format=pgm"], "--palette is for --format png; pgm has"),
                                (["--server=http://127.0.0.1:1", "health", "-v"], "--verbose is for servers, and http://"),
                                (["--server=http://127.0.0.1:1", "health", "--token-file=x"], "--token-file is for servers"),
                                (["compute", "--watch", "-v"], "--verbose would write into what --watch draws"),
                                (["info", "-q", "-v"], "--quiet and --verbose are both given")):
            answer = run("--server", NOWHERE, *arguments)
            self.assertEqual((answer.returncode, answer.stdout), (64, ""), arguments)
            self.assertIn(said, answer.stderr)
        answer = run("--server", self.server.url, "compute", *OPTIONS, TILERY_PALETTE="grey")
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))

    def test_so_it_is_with_the_bridge_s_server_inside_or_elsewhere(self):
        for arguments, said in ((["--log=json", "--backend", NOWHERE], "--log is of the server inside"),
                                (["--backend-tls-ca=x"], "--backend-tls-... are of --backend, which is not given"),
                                (["--backend-token-file=x"], "--backend-token-file is of --backend"),
                                (["--backend=foo"], 'tilery-bridge: --backend is "foo"; it must be'),
                                (["--backend", NOWHERE, "--backend-token-file=/x"], '--backend-token-file "/x": No such'),
                                (["--listen=foo"], 'tilery-bridge: --listen is "foo"; it must be')):
            answer = subprocess.run([program("tilery-bridge"), *arguments], capture_output=True, text=True, timeout=60,
                                    check=False)
            self.assertEqual((answer.returncode, answer.stdout), (64, ""), arguments)
            self.assertIn(said, answer.stderr)
        environment = {**os.environ, "TILERY_BACKEND": self.server.url, "TILERY_BRIDGE_LOG": "json"}
        with subprocess.Popen([program("tilery-bridge"), "--listen=127.0.0.1:0"], env=environment, text=True,
                              stdout=subprocess.PIPE) as bridge:
            self.assertRegex(bridge.stdout.readline(), "^listening on http://")
            bridge.terminate()
        self.assertEqual(bridge.returncode, 0)

    def test_from_the_environment_it_is_passed_over_even_where_its_value_is_wrong(self):
        environment = {"TILERY_WIDTH": "x", "TILERY_PALETTE": "x", "TILERY_SCHEDULE": "x", "TILERY_FORMAT": "x"}
        answer = run("--server", self.server.url, "health", **environment)
        self.assertEqual((answer.returncode, answer.stdout, answer.stderr), (0, "SERVING\n", ""))
        answer = run("--server", self.server.url, "compute", *OPTIONS, TILERY_TASK_COUNT="1", TILERY_SCHEDULE="x")
        self.assertEqual(answer.returncode, 64)
        self.assertIn('tilery: --schedule is "x"', answer.stderr)
        # One from the environment does not hide the same sin on the command line.
        answer = run("--server", self.server.url, "health", "--palette=grey", TILERY_WIDTH="9")
        self.assertIn("--palette is not an option of health", answer.stderr)

    def test_commands_and_their_arguments_are_checked(self):
        for arguments, said in ((["dance"], 'there is no command "dance"'), ([], "name a command: compute, "),
                                (["cancel"], "cancel takes a request_id"), (["info", "x"], 'info takes no argument; "x" is one'),
                                (["health", "a", "b"], 'one argument at most: "b" comes after "a"')):
            answer = run(*arguments)
            self.assertEqual((answer.returncode, answer.stdout), (64, ""))
            self.assertIn(said, answer.stderr)

    def test_what_the_server_says_of_a_field_names_the_option_or_the_argument(self):
        for arguments, said in ((["compute", "--request-id=a b"], "--request-id holds the byte 0x20; "),
                                (["cancel", "a b"], "request_id holds the byte 0x20; "),
                                (["compute", "--first-task=999"], "--first-task is 999; it must be from 0 to 129")):
            answer = tilery(self.server.url, *arguments)
            self.assertEqual((answer.returncode, answer.stdout), (3, ""), arguments)
            self.assertTrue(answer.stderr.startswith("tilery: INVALID_ARGUMENT: " + said), answer.stderr)

    def test_a_server_s_url_is_printable(self):
        for url in ("tcp://b\u00fccher.invalid:5570", "tcp://127.0.0.1:5570\n", "tcp://a b:1"):
            answer = tilery(url, "info")
            self.assertEqual((answer.returncode, answer.stdout), (64, ""), url)
            self.assertIn("it must be a URL of printable ASCII characters", answer.stderr)

    def test_times_have_units(self):
        for text in ("500ms", "2s", "1m", "24h", "86400000ms", "1440m"):
            self.assertEqual(tilery(self.server.url, "health", "--timeout", text).returncode, 0, text)
        for text in ("", "5", "s", "0s", "-1s", "1.5s", " 1s", "1 s", "25h", "86401s", "99999999999999999999999s", "1d"):
            answer = tilery(self.server.url, "health", f"--timeout={text}")
            self.assertEqual(answer.returncode, 64, text)
            self.assertIn(f'--timeout is "{text}"; it must be a time from 1ms to 24h', answer.stderr)

    def test_a_timeout_ends_a_call(self):
        for option in ("--timeout=200ms", "--timeout-ms=200"):
            answer = tilery(self.server.url, option, "compute", "--width=8192", "--height=8192", "--tile-w=8192",
                            "--tile-h=8192", "--max-iter=65535", "--kernel=scalar")
            self.assertEqual(answer.returncode, 4)
            self.assertIn("DEADLINE_EXCEEDED", answer.stderr)
            self.assertIn("tilery: the timeout is 200 ms; --timeout TIME sets another, up to the server's own", answer.stderr)

    def test_the_server_s_own_timeout_is_told(self):
        hasty = Process("tileryd", "--listen", "tcp://127.0.0.1:0", "--max-timeout-ms=321")
        slow = ["--width=8192", "--height=8192", "--tile-w=512", "--tile-h=512", "--max-iter=65535", "--kernel=scalar"]
        for arguments in (["compute", *slow], ["compute", "--timeout=60s", *slow], ["render", *slow]):
            answer = tilery(hasty.url, *arguments)
            self.assertEqual(answer.returncode, 4)
            self.assertIn(", up to the server's own, the max_timeout_ms of `tilery info`\n", answer.stderr)
        self.assertRegex(tilery(hasty.url, "info").stdout, r"\nmax_timeout_ms +321\n")
        self.assertEqual(hasty.close(), 0)

    def test_a_server_that_is_not_there_yet_is_waited_for_within_the_timeout(self):
        with tempfile.TemporaryDirectory() as folder:
            server = f"ipc://{folder}/socket"
            self.assertEqual(tilery(server, "health").returncode, 14)
            for command in (["compute"], ["render", "--format=raw"]):
                answer = tilery(server, "--wait", "--timeout=200ms", *command)
                self.assertEqual(answer.returncode, 4, command)
                self.assertIn(f"DEADLINE_EXCEEDED: no server at {server}", answer.stderr)
            with subprocess.Popen([program("tilery"), "--server", server, "--wait", "--timeout=60s", "health"],
                                  stdout=subprocess.PIPE, text=True) as waiting:
                late = Process("tileryd", "--listen", server)
                self.assertEqual((waiting.communicate(timeout=60)[0], waiting.returncode), ("SERVING\n", 0))
            late.close()

    def test_verbose_tells_of_every_attempt_and_quiet_of_errors_alone(self):
        answer = tilery(self.server.url, "compute", *OPTIONS, "--verbose")
        self.check_documented(answer.stdout)
        self.assertRegex(answer.stderr, r"^tilery: tilery\.v1\.TileCompute/Compute attempt 1 at "
                                        + re.escape(self.server.url) + r": OK after \d+\.\d{3} ms\n$")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            nobody = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
            answer = tilery(nobody, "-v", "compute")
            self.assertEqual(answer.returncode, 14)
            self.assertIn("tilery.v1.TileCompute/Compute at no server: UNAVAILABLE\n", answer.stderr)
            answer = tilery(nobody, "-q", "compute")
            self.assertIn("UNAVAILABLE", answer.stderr)
        self.assertEqual(tilery(self.server.url, "-q", "compute").stderr, "")

    def test_a_busy_server_s_attempts_are_told_with_their_pauses(self):
        busy = Process("tileryd", "--listen", "tcp://127.0.0.1:0", "--max-queue=0", "--max-threads=1")
        endless = [program("tilery"), "--server", busy.url, "compute", "--width=65536", "--height=65536",
                   "--tile-w=65536", "--tile-h=65536", "--max-iter=65535", "--kernel=scalar", "--request-id=first"]
        holder = subprocess.Popen(endless, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(holder.kill)
        wait_stats(busy.url, runs_running=1)
        answer = tilery(busy.url, "-v", "compute", *OPTIONS)
        self.assertEqual(answer.returncode, 8)
        told = re.findall(r"attempt (\d) at \S+: RESOURCE_EXHAUSTED after [0-9.]+ ms(, again in \d+ ms)?\n",
                          answer.stderr)
        self.assertEqual([number for number, _ in told], ["1", "2", "3", "4", "5"])
        self.assertEqual([again != "" for _, again in told], [True] * 4 + [False])
        for command in ["compute", "render", "compare"]:
            said = tilery(busy.url, "-v", command, "--max-attempts=1", "--timeout=60s").stderr
            self.assertRegex(said, "^tilery: [^ ]+ attempt 1 at [^,]+\ntilery: RESOURCE_EXHAUSTED: ", command)
        self.assertEqual(tilery(busy.url, "cancel", "first").returncode, 0)
        holder.wait(60)
        self.assertEqual(busy.close(), 0)

    def test_who_has_few_descriptors_is_told_so(self):
        for command in ["compute", "--format=csv"], ["compute", "--data"], ["render"], ["compare", "--runs=1"], ["stats"]:
            for few in range(5, 16):
                answer = subprocess.run(["prlimit", f"--nofile={few}", program("tilery"), "--server", self.server.url, *command],
                                        capture_output=True, timeout=60, check=False)
                self.assertEqual(answer.returncode != 0, answer.stderr.startswith(b"tilery: "), (command, few, answer.stderr))

    def test_help_lists_the_commands_and_each_command_s_help_its_own_options(self):
        listed = re.findall(r"^  ([a-z]+)(?: \S+)?  +\S", run("--help").stdout.split("Commands:\n")[1].split("\n\n")[0],
                            re.MULTILINE)
        self.assertEqual(len(listed), 9)
        every = set(options_in(run("--help").stdout))
        everything = set(options_in(run("--full-help").stdout))
        for command in listed:
            ran = run("--server", NOWHERE, command, "--help")
            self.assertEqual((ran.returncode, ran.stderr), (0, ""))
            options = set(options_in(ran.stdout))
            self.assertLessEqual(every - {"full-help"}, options)
            self.assertLessEqual(options, everything)
            for option in everything - {"help", "full-help", "usage", "version"}:
                given = f"--{option}={VALUED[option]}" if option in VALUED else f"--{option}"
                said = run("--server", NOWHERE, command, "--timeout=1ms", given,
                           *(["ID"] if command == "cancel" else [])).stderr
                if option not in options:
                    self.assertIn(f"--{option} is not an option of {command}\n", said)
                else:
                    self.assertNotIn("is not an option", said)

    def test_the_general_help_is_of_what_all_commands_have_in_common(self):
        said = run("--help").stdout
        self.assertTrue(all(line.startswith("  ") for line in
                            said.split("Commands:\n")[1].split("\n\n")[0].splitlines()), said)
        self.assertTrue(all(len(line) <= 80 for line in said.splitlines()))
        self.assertNotIn("bench: ", said)
        self.assertIn("bench: ", run("--full-help").stdout)

    def test_help_of_a_command_is_of_nothing_else(self):
        said = " ".join(run("render", "--help").stdout.split())
        self.assertIn("png, pgm or raw", said)
        self.assertNotRegex(said, "compare|bench|ndjson|--watch|How it is measured")

    def test_a_command_that_is_nearly_one_is_guessed(self):
        for word, meant in (("compte", "compute"), ("rendr", "render"), ("comapre", "compare"), ("health-", "health")):
            answer = run(word)
            self.assertEqual((answer.returncode, answer.stdout), (64, ""))
            self.assertIn(f'there is no command "{word}"; did you mean "{meant}"?', answer.stderr)
        for word in ("perform", "x", "", "c" * 1000):
            self.assertNotIn("did you mean", run(word).stderr)

    def test_help_tells_the_exit_statuses(self):
        told = " ".join(run("--help").stdout.split())
        for number, name in enumerate(CODES):
            self.assertIn(f" {number} {name}", told)
        self.assertIn("64 after a usage error", told)


if __name__ == "__main__":
    unittest.main()
