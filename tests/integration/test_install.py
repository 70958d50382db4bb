#!/usr/bin/env python3
"""The installed tree as a user of the library meets it: found by CMake and by pkg-config, shared and static."""
import os
import subprocess
import tempfile
import unittest

from programs import BIN, ROOT, Process

CONSUMER = os.path.join(ROOT, "tests", "install")
STRICT = ["-std=c99", "-pedantic-errors", "-Wall", "-Wextra", "-Werror"]


def run(*command, **options):
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)
    if result.returncode != 0:
        raise AssertionError(f"{' '.join(command)}:\n{result.stdout}{result.stderr}")
    return result.stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.prefix = os.path.join(cls.folder.name, "usr")
        run("cmake", "--install", BIN, "--prefix", cls.prefix)
        found = run("find", cls.prefix, "-name", "tilery.pc").strip()
        cls.library = os.path.dirname(os.path.dirname(found))
        cls.environment = {**os.environ, "PKG_CONFIG_PATH": os.path.dirname(found), "LD_LIBRARY_PATH": cls.library}
        cls.server = Process("tileryd", "--listen", "tcp://127.0.0.1:0")

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
        cls.folder.cleanup()

    def check(self, program):
        self.assertRegex(run(program, self.server.url, env=self.environment), r"^0\.1\.0: 130 tiles$")
        self.assertRegex(run(program, "tcp://127.0.0.1:1", env=self.environment), r"^UNAVAILABLE: ")

    def test_cmake_finds_the_shared_and_the_static_library(self):
        build = os.path.join(self.folder.name, "consumer")
        run("cmake", "-S", CONSUMER, "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("cmake", "--build", build)
        self.check(os.path.join(build, "consumer-shared"))
        self.check(os.path.join(build, "consumer-static"))

    def flags(self, *options):
        return run("pkg-config", *options, "tilery", env=self.environment).split()

    def test_pkg_config_finds_the_shared_library(self):
        program = os.path.join(self.folder.name, "shared")
        run("cc", *STRICT, os.path.join(CONSUMER, "main.c"), *self.flags("--cflags", "--libs"), "-o", program)
        self.check(program)

    def test_pkg_config_finds_the_static_library(self):
        program = os.path.join(self.folder.name, "static")
        flags = [os.path.join(self.library, "libtilery.a") if flag == "-ltilery" else flag
                 for flag in self.flags("--static", "--cflags", "--libs")]
        run("cc", *STRICT, os.path.join(CONSUMER, "main.c"), *flags, "-o", program)
        self.check(program)

    def test_only_the_public_names_are_visible(self):
        for library, option in ("libtilery.so", "--dynamic"), ("libtilery.a", "--extern-only"):
            names = run("nm", option, "--defined-only", "--format=posix", os.path.join(self.library, library))
            names = [line.split()[0] for line in names.splitlines() if " " in line]
            self.assertIn("tilery_compute", names)
            self.assertEqual([name for name in names if not name.startswith("tilery_")], [], library)

    def test_the_installed_programs_run(self):
        for program in "tileryd", "tilery", "tilery-bridge":
            said = run(os.path.join(self.prefix, "bin", program), "--version")
            self.assertEqual(said, f"{program} 0.1.0\n")


if __name__ == "__main__":
    unittest.main()
