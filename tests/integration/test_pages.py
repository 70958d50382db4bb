#!/usr/bin/env python3
"""The man pages: written from --help, whole, and without a fault that mandoc finds. And the reference of libtilery."""
import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from programs import BIN, program, public_names

FOLDER = os.path.join(BIN, "client", "packages")
PAGES = ["tilery.1", "tileryd.8", "tilery-bridge.8"]


def said(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout


@unittest.skipIf(shutil.which("help2man") is None, "no help2man")
class Pages(unittest.TestCase):
    def text(self, page):
        self.assertIn(page, map(os.path.basename, glob.glob(os.path.join(FOLDER, "*.[18]"))))
        with open(os.path.join(FOLDER, page), encoding="utf-8") as file:
            return file.read()

    def test_every_option_is_there_as_an_entry_of_its_own(self):
        for page in PAGES:
            options = re.findall(r"^ +(?:-., )?--([a-z-]+)", said(program(page[:-2]), "--full-help" if page == "tilery.1" else "--help"),
                                 re.MULTILINE)
            entries = re.findall(r"^(?:\S+, )?\\fB\\-\\-([a-z\\-]+)\\fR(?:=\S+)?$", self.text(page), re.MULTILINE)
            self.assertGreater(len(options), 10)
            self.assertEqual(sorted(entry.replace("\\", "") for entry in entries), sorted(options), page)

    def test_every_section_is_there(self):
        for page in PAGES:
            wanted = ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "ENVIRONMENT", "EXAMPLES", "SEE ALSO"]
            if page.endswith(".8"):
                wanted += ["SIGNALS", "FILES"]
            sections = re.findall(r'^\.SH "?([A-Z ]+)"?$', self.text(page), re.MULTILINE)
            self.assertEqual(sorted(sections), sorted(wanted), page)

    def test_pages_see_one_another(self):
        for page in PAGES:
            seen = re.findall(r"^\.BR ([a-z-]+) \((\d)\)", self.text(page), re.MULTILINE)
            self.assertEqual(sorted([".".join(other) for other in seen] + [page]), sorted(PAGES))

    def test_headings_are_headings(self):
        with open(os.path.join(FOLDER, "tilery.1"), encoding="utf-8") as file:
            page = file.read()
        for heading in "What is computed:", "How it is measured:", "How it is written:", "Of the program itself:":
            self.assertIn(f'\n.SS "{heading}"\n.TP\n', page)
        self.assertIn('\n.SH "EXIT STATUS"\n', page)

    @unittest.skipIf(shutil.which("mandoc") is None, "no mandoc")
    def test_mandoc_finds_no_fault(self):
        for page in PAGES:
            found = said("mandoc", "-Tlint", "-W", "warning", os.path.join(FOLDER, page)).splitlines()
            # help2man writes the month alone.
            self.assertEqual([fault for fault in found if "cannot parse date" not in fault], [])


@unittest.skipIf(shutil.which("doxygen") is None, "no doxygen")
class Reference(unittest.TestCase):
    def test_doxygen_has_nothing_to_say_and_every_function_is_told_of(self):
        with open(os.path.join(FOLDER, "Doxyfile"), encoding="utf-8") as file, tempfile.TemporaryDirectory() as folder:
            tags = os.path.join(folder, "tags")
            settings = file.read() + f"OUTPUT_DIRECTORY = {folder}\nGENERATE_TAGFILE = {tags}\n"
            ran = subprocess.run(["doxygen", "-"], input=settings, capture_output=True, text=True, timeout=60, check=True)
            self.assertEqual(ran.stderr, "")
            with open(tags, encoding="utf-8") as file:
                told = re.findall(r'<member kind="function">\s*<type>[^<]*</type>\s*<name>(\w+)</name>', file.read())
            self.assertEqual(sorted(set(told)), public_names())
            page = os.path.join(folder, "html", "client_8h.html")
            with open(page, encoding="utf-8") as file:
                self.assertIn("Starts to connect to every server and returns", file.read())


if __name__ == "__main__":
    unittest.main()
