#!/usr/bin/env python3
"""The schema against the one that was released: it may grow, but what a client was built with stays as it was."""
import difflib
import os
import subprocess
import unittest

from programs import PROTO, ROOT

RELEASED = os.path.join(ROOT, "tests", "vectors", "schema-0.1.txt")


def descriptor(*options, folder=PROTO):
    """Every message, field, number, type, default, value and method, as text."""
    binary = subprocess.run(["protoc", f"--proto_path={folder}", "--descriptor_set_out=/dev/stdout", *options,
                             "rpc.proto", "compute.proto", "server.proto"], capture_output=True, check=True).stdout
    text = subprocess.run(["protoc", "--proto_path=/usr/include", "--decode=google.protobuf.FileDescriptorSet",
                           "google/protobuf/descriptor.proto"], input=binary, capture_output=True, check=True)
    return text.stdout.decode().splitlines()


class Schema(unittest.TestCase):
    def test_nothing_that_was_released_is_changed_or_gone(self):
        with open(RELEASED, encoding="utf-8") as file:
            released = file.read().splitlines()
        missing = [line for line in difflib.ndiff(released, descriptor()) if line.startswith("- ")]
        self.assertEqual(missing, [])


if __name__ == "__main__":
    unittest.main()
