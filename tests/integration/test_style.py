#!/usr/bin/env python3
"""The house's rules for files and functions, of every language in it."""
import ast
import os
import re
import shutil
import subprocess
import unittest

from programs import ROOT

FILE_LINES, FUNCTION_LINES = 400, 60
LANGUAGES = (".c", ".h", ".cc", ".py", ".js", ".mjs", ".sh", ".bash", ".awk", ".lua", ".cmake", ".proto", ".css", ".html",
             ".md", ".yaml", "CMakeLists.txt")
NOT_OURS = ("tests/vectors/",)

# Where a function begins, by language; it ends with the first line that is no further in and closes it.
BEGINS = {".c": r"^\{", ".cc": r"^\s*\{$", ".js": r"^(\s*)(export )?(default )?(async )?(function\b.*|[a-zA-Z#]+\(.*\) )\{$",
          ".sh": r"^(\s*)\w+\(\) ?\{?$"}
BEGINS[".mjs"], BEGINS[".bash"] = BEGINS[".js"], BEGINS[".sh"]


def files():
    if shutil.which("git") is None:
        return
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, text=True, check=False)
    for name in listed.stdout.splitlines():
        path = os.path.join(ROOT, name)
        if name.endswith(LANGUAGES) and not name.startswith(NOT_OURS) and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                yield name, file.read()


def functions(name, text):
    """The lines of each function: its first one and how many there are."""
    extension = os.path.splitext(name)[1]
    if extension == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node.lineno, node.end_lineno - node.lineno + 1
    if extension not in BEGINS:
        return
    lines = text.splitlines()
    for first, line in enumerate(lines):
        if re.match(BEGINS[extension], line):
            indent = re.match(r"\s*", line).group()
            last = next((i for i in range(first + 1, len(lines)) if re.match(indent + r"\}", lines[i])), first)
            yield first + 1, last - first + 1


class Style(unittest.TestCase):
    def setUp(self):
        self.files = dict(files())
        if not self.files:
            self.skipTest("not in a git checkout")

    def test_files_are_no_longer_than_they_may_be(self):
        self.assertGreater(len(self.files), 400)
        lines = {name: text.count("\n") for name, text in self.files.items()}
        self.assertEqual({name: count for name, count in lines.items() if count > FILE_LINES}, {})

    def test_functions_are_no_longer_than_they_may_be(self):
        met, long = {}, []
        for name, text in self.files.items():
            for first, count in functions(name, text):
                extension = os.path.splitext(name)[1]
                met[extension] = met.get(extension, 0) + 1
                if count > FUNCTION_LINES:
                    long.append(f"{name}:{first}: {count} lines")
        self.assertEqual(long, [])
        self.assertEqual(set(met), {*BEGINS, ".py"})

    def test_no_line_ends_in_spaces_or_has_a_tab_where_none_belongs(self):
        for name, text in self.files.items():
            self.assertNotRegex(text, r"[ \t]\n", name)
            if not name.endswith(".sh"):  # whose here-documents may begin with them
                self.assertNotIn("\t", text, name)
            self.assertTrue(text.endswith("\n") and not text.endswith("\n\n"), name)


if __name__ == "__main__":
    unittest.main()
