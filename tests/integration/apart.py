"""A small machine of a test's own: namespaces for mounts, processes and perhaps the network, and an empty /run. What an
earlier test left behind is not there, and nothing outlives the test, however it ends."""
import os
import shutil
import subprocess
import sys
import unittest

UNSHARE = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


def require():
    """Skips the tests where that cannot be."""
    tried = subprocess.run([*UNSHARE, "--net", "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        raise unittest.SkipTest(f"this machine lets nobody make namespaces: {tried.stderr.strip()}")


def go(*options, folders=("/run", "/dev/shm")):
    """Starts the program anew over there, with these options of unshare, and empties the folders. Its process 1, where
    there is a program for it, is one that cares for orphans."""
    if not os.environ.get("TILERY_APART"):
        os.environ["TILERY_APART"] = "1"
        init = ["catatonit", "--"] if shutil.which("catatonit") else []
        os.execvp(UNSHARE[0], [*UNSHARE, *options, *init, sys.executable, *sys.argv])
    for folder in folders:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
