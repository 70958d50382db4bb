#!/usr/bin/env python3
"""docker/rootfs.sh: all that a program loads, or no image."""
import os
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Rootfs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root, self.installed = os.path.join(folder.name, "root"), os.path.join(folder.name, "installed")
        self.library = os.path.join(self.installed, "usr", "lib", "libanswer.so")
        for name in "bin", "lib":
            os.makedirs(os.path.join(self.installed, "usr", name))
        self.compile("int answer(void) { return 42; }", "-shared", "-fPIC", "-Wl,-soname,libanswer.so", "-o", self.library)
        self.compile("int answer(void); int main(void) { return answer() != 42; }", "-o",
                     os.path.join(self.installed, "usr", "bin", "ask"), self.library, "-Wl,-rpath," + os.path.dirname(self.library))

    @staticmethod
    def compile(source, *arguments):
        subprocess.run(["cc", "-x", "c", "-", "-x", "none", *arguments], input=source, text=True, check=True)

    def make(self):
        return subprocess.run([os.path.join(ROOT, "docker", "rootfs.sh"), self.root, self.installed, "ask"], cwd=ROOT,
                              capture_output=True, text=True, check=False)

    def test_a_program_has_its_own_libraries_and_those_of_packages_with_their_licences(self):
        done = self.make()
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in "usr/bin/ask", "usr/lib/libanswer.so", "usr/share/doc/libc6/copyright", "var/lib/dpkg/status.d/libc6":
            self.assertTrue(os.path.exists(os.path.join(self.root, name)), name)

    def test_a_library_that_is_not_there_is_an_error(self):
        os.remove(self.library)
        done = self.make()
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("libanswer.so => not found", done.stderr)


if __name__ == "__main__":
    unittest.main()
