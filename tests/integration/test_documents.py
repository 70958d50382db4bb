#!/usr/bin/env python3
"""What the documents show is done as it is printed there, by their readers' shells, against servers of the test's own."""
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

from programs import BIN, ROOT, ServedTest
from test_terminal import Terminal

BACKGROUND = " &"


def examples(document, heading):
    """The lines of a section's indented blocks, joined where they go on."""
    with open(os.path.join(ROOT, document), encoding="utf-8") as file:
        section = re.split(r"(?m)^## ", file.read().split(f"\n## {heading}\n", 1)[1])[0]
    lines = "\n".join(line[4:] for line in section.splitlines() if line.startswith("    "))
    return lines.replace("\\\n", "").splitlines()


class Documents(ServedTest):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def run_line(self, line, status=0):
        for stands, here in (("build/release/", BIN + "/"), ("http://127.0.0.1:8405", self.bridge.url),
                             ("tcp://127.0.0.1:5570", self.server.url)):
            line = line.replace(stands, here)
        answer = subprocess.run(["bash", "-c", line], cwd=self.folder.name, capture_output=True, timeout=300, check=False,
                                env={**os.environ, "TILERY_SERVER": self.server.url})
        self.assertEqual(answer.returncode, status, f"{line}\n{answer.stderr.decode()}")
        return answer.stdout

    def made(self, name):
        with open(os.path.join(self.folder.name, name), "rb") as file:
            return file.read()

    def test_over_http(self):
        lines = [line for line in examples("README.md", "Over HTTP") if not line.endswith(BACKGROUND)]
        self.assertEqual(len(lines), 1)
        self.check_documented(self.run_line(lines[0]))

    def test_from_the_command_line(self):
        lines = [line for line in examples("README.md", "From the command line") if not line.endswith(BACKGROUND)]
        self.assertGreater(len(lines), 12)
        for line in lines:
            with self.subTest(line=line):
                if "--watch" in line:
                    terminal = Terminal(self.server.url, *shlex.split(line, comments=True)[1:])
                    self.assertIn("of 130 tiles", terminal.close())
                    self.assertEqual(terminal.process.returncode, 0)
                    continue
                # The id stands for one, and a load is a load in less than ten seconds.
                self.run_line(line.replace("--duration 10s", "--duration 200ms --warm-up 0ms"),
                              status=5 if "cancel ID" in line else 0)
        self.assertIn("traceEvents", json.loads(self.made("run.json")))
        for image in "image.png", "who.png":
            self.assertEqual(self.made(image)[:4], b"\x89PNG")
        self.assertIn(b"tilery.v1", self.made("schema.bin"))

    def test_the_bridge_s(self):
        with open(os.path.join(ROOT, "client", "bridge", "README.md"), encoding="utf-8") as file:
            lines = re.findall(r"(?m)^    (?:\$ )?(curl (?:.*\\\n)*.*)$", file.read())
        self.assertGreaterEqual(len(lines), 2)
        for line in lines:
            said = self.run_line(line)
        self.assertEqual(self.made("seahorse.png")[:4], b"\x89PNG")
        self.assertEqual([json.loads(event)["event"] for event in said.splitlines()], ["run", "tile", "summary", "end"])

    def test_the_client_without_a_library(self):
        code = "\n".join(examples("proto/README.md", "A client without a library"))
        host, port = self.server.url.removeprefix("tcp://").split(":")
        ran = subprocess.run([sys.executable, "-c", code.replace('("127.0.0.1", 5570)', f'("{host}", {port})')],
                             capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        counted = re.fullmatch(r"9 tiles, (\d+) iterations; the server counted (\d+)\n", ran.stdout)
        self.assertEqual(*counted.groups())

    def test_what_is_built_by_hand_has_what_it_needs(self):
        for document, builds in ("README.md", 2), ("CONTRIBUTING.md", 1), ("client/packages/README.md", 1):
            with open(os.path.join(ROOT, document), encoding="utf-8") as file:
                text = re.sub(r" *(#.*)?\n *", " && ", file.read())
            built = r"cmake --preset release && cmake --build build/release\b"
            self.assertEqual(len(re.findall(r"cmake --build build/release\b", text)), builds, document)
            self.assertEqual(len(re.findall(r"client/install-deps.sh (?:suite|tests) && " + built, text)), builds, document)

    def test_the_page_offers_every_schedule_and_kernel(self):
        listed = dict(line.split(maxsplit=1) for line in self.run_line("build/release/tilery info").decode().splitlines())
        schedules, kernels = listed["schedules"].split(), listed["kernels"].split()
        for name, pattern, words in (("index.html", '<option(?: value="{0}")?>{0}[<:]', schedules + kernels),
                                     ("compare.js", "'{0}'", schedules), ("request.js", "(?m)^    {0}: '", schedules)):
            with open(os.path.join(ROOT, "client", "web", name), encoding="utf-8") as file:
                page = file.read()
            for word in words:
                self.assertRegex(page, pattern.format(word), name)

    def test_every_file_that_a_document_names_is_there(self):
        named = 0
        for folder, _, names in os.walk(ROOT):
            if any(part in folder.split(os.sep) for part in ("build", ".git", "node_modules")):
                continue
            for name in names:
                if not name.endswith(".md") or "vectors" in folder:
                    continue
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    links = re.findall(r"\]\(([^)#:]+)\)", file.read())
                for link in links:
                    self.assertTrue(os.path.exists(os.path.join(folder, link)), f"{name}: {link}")
                named += len(links)
        self.assertGreater(named, 10)


if __name__ == "__main__":
    unittest.main()
