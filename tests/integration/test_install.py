#!/usr/bin/env python3
"""The installed tree as a user of the library meets it: found by CMake and by pkg-config, shared and static."""
import os
import re
import subprocess
import tempfile
import unittest

from programs import BIN, ROOT, Process, public_names

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

    def test_pkg_config_tells_all_that_a_program_without_shared_libraries_needs(self):
        program = os.path.join(self.folder.name, "alone")
        run("cc", "-static", *STRICT, os.path.join(CONSUMER, "main.c"), *self.flags("--static", "--cflags", "--libs"),
            "-o", program)
        self.check(program)

    def test_the_documented_program_is_built_as_documented(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            section = file.read().split("\n## From a service\n")[1].split("\n## ")[0]
        code = "\n".join(line[4:] for line in section.splitlines() if line.startswith("    "))
        with open(os.path.join(self.folder.name, "busy.c"), "w", encoding="utf-8") as file:
            file.write(code.replace("tcp://127.0.0.1:5570", self.server.url))
        build, = re.findall(r"`(cc busy\.c [^`]+)`", section)
        run("sh", "-c", f"{build} {' '.join(STRICT)}", cwd=self.folder.name, env=self.environment)
        said = run(os.path.join(self.folder.name, "a.out"), env=self.environment)
        self.assertRegex(said, r"^(thread \d+: \d+ ns\n)+$")

    def names(self, library, *options):
        lines = run("nm", *options, "--defined-only", "--format=posix", os.path.join(self.library, library)).splitlines()
        fields = [line.split() for line in lines if " " in line]
        return sorted(field[0] for field in fields if field[1] != "A")  # A: the version itself

    def test_the_public_names_and_no_others_are_visible(self):
        self.assertIn("tilery_compute", public_names())
        shared = self.names("libtilery.so", "--dynamic", "--with-symbol-versions")
        self.assertEqual(shared, [name + "@@TILERY_0" for name in public_names()])
        self.assertEqual(self.names("libtilery.a", "--extern-only"), public_names())

    def test_the_shared_library_has_a_soname_and_its_consumers_want_its_version(self):
        said = run("readelf", "--dynamic", os.path.join(self.library, "libtilery.so"))
        self.assertIn("Library soname: [libtilery.so.0]", said)
        said = run("readelf", "--version-info", os.path.join(self.prefix, "bin", "tilery"))
        self.assertRegex(said, r"File: libtilery\.so\.0 .*\n.* Name: TILERY_0 ")

    def test_the_installed_programs_run(self):
        for program in "tileryd", "tilery", "tilery-bridge":
            said = run(os.path.join(self.prefix, "bin", program), "--version")
            self.assertEqual(said, f"{program} 0.1.0\n")


if __name__ == "__main__":
    unittest.main()
