#!/usr/bin/env python3
"""bash's completion, driven as bash does: the words of a line in, what may follow out."""
import os
import re
import subprocess
import tempfile
import unittest

from programs import BIN, ROOT, program

SCRIPT = os.path.join(ROOT, "client", "packages", "completion.bash")
DRIVER = """
source "$1" && shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
read -r _ _ function _ < <(complete -p "${1##*/}")
"$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(*words, folder=ROOT):
    """What may stand in the last word's place; the first one is the program."""
    ran = subprocess.run(["bash", "-uc", DRIVER, "bash", SCRIPT, program(words[0]), *words[1:]], cwd=folder, timeout=60,
                         capture_output=True, text=True, check=True)
    assert ran.stderr == "", ran.stderr
    return sorted(ran.stdout.splitlines())


def options_of(name, *words):
    said = subprocess.run([program(name), *words], capture_output=True, text=True, check=True).stdout
    return sorted(re.findall(r"^ +(?:-., )?(--[a-z0-9-]+)", said, re.MULTILINE))


def refusal(*words):
    """What a program says of what it does not take, before it does anything."""
    ran = subprocess.run([program(words[0]), *words[1:]], capture_output=True, text=True, timeout=60, check=False)
    return ran.stderr.splitlines()[0]


class Completion(unittest.TestCase):
    def test_every_option_of_each_program(self):
        for name, *words in [["tilery", "--full-help"], ["tileryd", "--help"], ["tilery-bridge", "--help"]]:
            self.assertEqual(completed(name, "--"), options_of(name, *words))

    def test_a_command_s_options_are_its_own(self):
        commands = completed("tilery", "")
        self.assertGreater(len(commands), 8)
        for command in commands:
            options = options_of("tilery", command, "--help")
            self.assertIn("--server", options)
            self.assertEqual("--palette" in options, command in ("compute", "render"))
            self.assertEqual(completed("tilery", "--server", "tcp", ":", "//h", ":", "1", command, "--"), options)

    def test_commands_come_first_and_once(self):
        listed = refusal("tilery").split("name a command: ")[1]
        self.assertEqual(completed("tilery", ""), sorted(re.split(r", | or ", listed)))
        self.assertEqual(completed("tilery", "re"), ["render"])
        self.assertEqual(completed("tilery", "--server", "tcp", ":", "//h", ":", "1", "--width", "=", "9", "inf"), ["info"])
        self.assertEqual(completed("tilery", "info", ""), [])
        self.assertEqual(completed("tilery", "cancel", "c"), [])
        self.assertEqual(completed("tileryd", ""), [])

    def test_values_are_those_that_the_program_takes(self):
        for name, option, words in [("tilery", "--schedule", ["compute"]), ("tilery", "--mode", ["compute"]),
                                    ("tilery", "--format", ["compute"]), ("tilery", "--format", ["render"]),
                                    ("tilery", "--format", ["compare"]), ("tilery", "--format", ["describe"]),
                                    ("tilery", "--palette", ["render", "--format", "png"]),
                                    ("tileryd", "--log", []), ("tilery-bridge", "--log", []),
                                    ("tilery-bridge", "--access-log", [])]:
            listed = re.search(r"must be (.+)", refusal(name, *words, option, "none-of-them")).group(1)
            listed = re.findall(r"[a-z]+", listed.replace(" or ", " "))
            self.assertEqual(completed(name, *words, option, ""), sorted(listed), f"{name} {words} {option}")

    def test_services_and_methods_are_those_of_the_schema(self):
        names = []
        for name in "compute", "server":
            with open(os.path.join(ROOT, "proto", f"{name}.proto"), encoding="utf-8") as text:
                for service, methods in re.findall(r"^service (\w+) {(.*?)^}", text.read(), re.MULTILINE | re.DOTALL):
                    names += [service] + [f"{service}/{method}" for method in re.findall(r"rpc (\w+)", methods)]
        self.assertEqual(completed("tilery", "describe", ""), sorted(names))
        services = [f"tilery.v1.{name}" for name in names if "/" not in name]
        self.assertEqual(completed("tilery", "health", ""), sorted(services))

    def test_kernels_are_those_of_any_machine(self):
        with open(os.path.join(ROOT, "src", "engine", "kernel.c"), encoding="utf-8") as text:
            named = re.findall(r"^ +&kernel_(\w+),$", text.read(), re.MULTILINE)
        self.assertEqual(completed("tilery", "--kernel", ""), sorted([*named, "auto"]))

    def test_an_equals_sign_is_a_word(self):
        self.assertEqual(completed("tilery", "render", "--palette", "=", "gr"), ["grey"])
        self.assertEqual(completed("tilery", "render", "--palette", "="), ["grey", "magma", "thread", "viridis"])
        self.assertEqual(completed("tilery", "compare", "--kernel", "scalar,a"), ["scalar,auto", "scalar,avx2", "scalar,avx512"])
        self.assertEqual(completed("tilery", "compute", "--kernel", "scalar,a"), [])

    def test_files_where_files_are_wanted(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in "a token", "another":
                with open(os.path.join(folder, name), "w", encoding="utf-8"):
                    pass
            for words in [("tileryd", "--token-file", "a"), ("tilery", "render", "-o", "a"),
                          ("tilery-bridge", "--backend-tls-ca", "=", "a")]:
                self.assertEqual(completed(*words, folder=folder), ["a token", "another"])
            self.assertEqual(completed("tilery", "--width", "a", folder=folder), [])

    def test_a_program_that_does_not_run_offers_no_options(self):
        self.assertEqual(completed("missing/tileryd", "--"), [])

    def test_every_program_has_its_file(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in "tilery", "tileryd", "tilery-bridge":
                subprocess.run(["cmake", "--install", BIN, "--prefix", folder, "--component", name], check=True,
                               capture_output=True)
                with open(os.path.join(folder, "share/bash-completion/completions", name), encoding="utf-8") as file:
                    self.assertRegex(file.read(), rf"(?m)^complete -F _tilery_complete .*\b{name}\b")


if __name__ == "__main__":
    unittest.main()
