#!/usr/bin/env python3
"""The Debian packages: made, installed, used, removed and purged in a clean Debian root, where nothing else of Tilery is.

The root is a minimal Debian of this machine's release with the packages that Tilery's depend on downloaded, not installed:
so apt installs what the dependencies name, and nothing more, without a network. It is kept in build/ for the next time."""
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from programs import BIN, RECORD_KEYS, ROOT

STEPS = os.path.join(ROOT, "tests", "install")
PACKAGES = ["libtilery-dev", "libtilery0", "tilery", "tilery-bridge", "tileryd"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TOOLS = ["curl", "gcc", "libc6-dev", "cmake", "make", "pkg-config"]


def run(*command, **options):
    ran = subprocess.run(command, capture_output=True, text=True, timeout=1000, check=False, **options)
    if ran.returncode != 0:
        raise AssertionError(f"{' '.join(command)}:\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def missing():
    """Why the test cannot run here; None where it can."""
    if os.geteuid() != 0:
        return "a root of its own needs root"
    absent = [tool for tool in ("mmdebstrap", "dpkg-shlibdeps", "cpack", "file") if shutil.which(tool) is None]
    return f"no {', '.join(absent)}" if absent else None


def field(deb, name):
    return run("dpkg-deb", "--field", deb, name).strip()


def dependencies(debs):
    """The packages that apt takes for Depends: of alternatives the first."""
    depends = ", ".join(field(deb, "Depends") for deb in debs)
    named = {re.match(r"[a-z0-9.+-]+", one).group() for one in depends.split(", ")}
    return sorted(named - set(PACKAGES))


def own_sources():
    """Debian's own entries among this machine's apt sources."""
    files = "/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources"
    return [file for file in files if subprocess.run(["grep", "-qsE", "^(deb|Types:)", file], check=False).returncode == 0]


def release():
    with open("/etc/os-release", encoding="utf-8") as file:
        return re.search(r"^VERSION_CODENAME=(\w+)$", file.read(), re.MULTILINE).group(1)


def make_root(tar, downloads):
    """Makes the root's archive; why it could not, or None."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        ours = [line for line in run("apt-config", "dump").splitlines()
                if re.match(r"Acquire::(https?::|Check-)", line) and "Auto-Detect" not in line]
        options = os.path.join(folder, "apt.conf")
        with open(options, "w", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in ours))
        part = os.path.join(folder, "root.tar")
        fetch = "apt-get -qy --no-install-recommends --download-only install " + " ".join(downloads)
        made = subprocess.run(["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--include=ca-certificates",
                               "--skip=cleanup/apt", "--aptopt=" + options, f"--customize-hook=chroot \"$1\" {fetch}",
                               release(), part, *own_sources()], capture_output=True, text=True, check=False,
                              env={**os.environ, "TMPDIR": folder})
        if made.returncode != 0:
            return "mmdebstrap makes no root here: " + " ".join(made.stderr.splitlines()[-3:])
        os.makedirs(os.path.dirname(tar), exist_ok=True)
        shutil.move(part, tar + ".part")
        os.rename(tar + ".part", tar)
    return None


@unittest.skipIf(missing(), missing())
class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(dir="/var/tmp")
        cls.addClassCleanup(cls.folder.cleanup)
        made = os.path.join(cls.folder.name, "made")
        run("cpack", "--config", os.path.join(BIN, "CPackConfig.cmake"), "-B", made)
        cls.debs = sorted(glob.glob(os.path.join(made, "*.deb")))

    def root(self):
        """A clean root with the packages and the steps in it; its folder."""
        downloads = sorted({*dependencies(self.debs), *TOOLS})
        key = hashlib.sha256(" ".join(downloads).encode()).hexdigest()[:12]
        tar = os.path.join(ROOT, "build", "roots", f"{release()}-{key}.tar")
        if not os.path.exists(tar) and (reason := make_root(tar, downloads)):
            self.skipTest(reason)
        root = os.path.join(self.folder.name, "root")
        os.mkdir(root)
        run("tar", "-C", root, "-xpf", tar, "--numeric-owner", "--exclude=./dev/*")
        with open(root + "/etc/dpkg/dpkg.cfg.d/unsafe-io", "w", encoding="utf-8") as file:
            file.write("force-unsafe-io\n")
        shutil.copytree(STEPS, root + "/tests")
        os.mkdir(root + "/debs")
        for deb in self.debs:
            shutil.copy(deb, root + "/debs")
        return root

    def step(self, root, name):
        script = 'mount --rbind /dev "$1/dev" && mount -t proc proc "$1/proc" && exec chroot "$1" /tests/in-root.sh "$2"'
        # Mounts stay in there: they are private, or made within a root that is no mount itself, like this test's.
        with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
            whole = any(line.split()[4] == "/" for line in mounts)
        propagation = "private" if whole else "unchanged"
        return run("unshare", "--mount", "--propagation", propagation, "--pid", "--ipc", "--fork", "--kill-child",
                   "sh", "-c", script, "sh", root, name, env={"PATH": PATH})

    def check_answers(self, root):
        """The documented request's, by the command line and by curl through the bridge."""
        for name in "tilery.json", "curl.json":
            with open(os.path.join(root, "tmp", name), encoding="utf-8") as file:
                answer = json.load(file)
            self.assertIs(answer["success"], True)
            self.assertEqual(len(answer["data"]), 9)
            self.assertEqual(list(answer["data"][0]), RECORD_KEYS)

    def test_installed_used_removed_and_purged(self):
        root = self.root()
        said = self.step(root, "install")
        for program in "tileryd", "tilery", "tilery-bridge":
            self.assertIn(f"\n{program} 0.1.0\n", "\n" + said)
        said = self.step(root, "use")
        self.check_answers(root)
        for program in "consumer-shared", "consumer-static", "pkg-config-shared", "pkg-config-static":
            self.assertIn(f"\n{program}: 0.1.0: 130 tiles\n", "\n" + said)
        self.step(root, "remove")
        self.assertEqual(self.step(root, "purge"), "")

    def test_each_says_what_it_is(self):
        self.assertEqual(sorted(field(deb, "Package") for deb in self.debs), PACKAGES)
        for deb in self.debs:
            self.assertEqual(field(deb, "Version"), "0.1.0")
            self.assertIn("Tilery developers <", field(deb, "Maintainer"))
            self.assertRegex(field(deb, "Section"), r"^(net|web|libs|libdevel)$")
            self.assertIn("\n .\n", field(deb, "Description"))

    def test_each_depends_on_the_libraries_that_it_wants(self):
        depends = {field(deb, "Package"): field(deb, "Depends") for deb in self.debs}
        for name, wanted in [("tileryd", "libnng1 libprotobuf-c1 libc6"), ("tilery", "libtilery0 libpng16-16"),
                             ("tilery-bridge", "libtilery0 libmicrohttpd12 libjansson4"), ("libtilery0", "libnng1"),
                             ("libtilery-dev", "libtilery0 libnng-dev libmbedtls-dev libprotobuf-c-dev")]:
            for library in wanted.split():
                self.assertRegex(depends[name], rf"(^|, ){library}(t64)? ?(\(|,|$)", name)

    @unittest.skipIf(shutil.which("lintian") is None, "no lintian")
    def test_lintian_finds_nothing(self):
        said = subprocess.run(["lintian", "--allow-root", "--fail-on", "none", *self.debs], capture_output=True, text=True,
                              timeout=300, check=True).stdout
        self.assertEqual(said, "")


if __name__ == "__main__":
    unittest.main()
