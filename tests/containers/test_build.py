#!/usr/bin/env python3
"""Builds the images from docker/Dockerfile, which runs the suite on Debian 13; the other tests here run what it makes."""
import os
import re
import subprocess
import unittest

from containers import IMAGES, ROOT, STORE, apart, require_tools

BUILD_S = 1800


def setUpModule():
    require_tools()
    apart.go(folders=())  # apt wants the network, and what /run knows of it


class Build(unittest.TestCase):
    def test_the_images_are_built_and_the_suite_passes_in_their_debian(self):
        done = subprocess.run([STORE, os.path.join(ROOT, "docker", "build.sh")], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=BUILD_S, check=False,
                              env={**os.environ, "TILERY_BUILDER": "buildah"})
        self.assertEqual(done.returncode, 0, done.stdout[-20000:])
        # A build of what was built before has the suite from its layers.
        for line in re.findall(r"(?m)^skipped.*|^\d+ passed, \d+ failed.*", done.stdout):
            print(f"Debian 13: {line}")
        for image in IMAGES:
            self.assertRegex(done.stdout, rf"(?m)^{image}: [0-9.]+ MB$")


if __name__ == "__main__":
    unittest.main()
