#!/usr/bin/env python3
"""The command line's images, as raw counts, PGM and PNG."""
import array
import os
import re
import struct
import subprocess
import tempfile
import unittest
import zlib

from programs import ROOT, ServedTest, fnv1a, most_memory, program, stats, tilery, until, wait_stats


def pixels_of(png):
    """The colours of an 8-bit RGB PNG, row by row."""
    chunks, at = {}, 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at:at + 8])
        data = png[at + 8:at + 8 + size]
        if struct.unpack(">I", png[at + 8 + size:at + 12 + size])[0] != zlib.crc32(kind + data):
            raise AssertionError("a chunk's CRC is wrong")
        chunks[kind] = chunks.get(kind, b"") + data
        at += 12 + size
    width, height, *shape = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if shape != [8, 2, 0, 0, 0]:
        raise AssertionError(f"not 8-bit RGB: {shape}")
    rows, before, pixels = zlib.decompress(chunks[b"IDAT"]), bytes(3 * width), []
    for y in range(height):
        filtered = rows[y * (3 * width + 1):(y + 1) * (3 * width + 1)]
        row = {0: filtered[1:], 2: bytes(a + b & 255 for a, b in zip(filtered[1:], before))}[filtered[0]]
        pixels += zip(row[::3], row[1::3], row[2::3])
        before = row
    return pixels


class Render(ServedTest):
    """The image as raw counts, from the server's streams."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.TemporaryDirectory()
        cls.file = os.path.join(cls.folder.name, "image.raw")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()
        super().tearDownClass()

    def render(self, *arguments, output=None):
        return subprocess.run([program("tilery"), "--server", self.server.url, "render", *arguments, "--output",
                               output or self.file], capture_output=True, text=True, timeout=60, check=False)

    def image(self, *arguments):
        result = self.render(*arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        with open(self.file, "rb") as file:
            return file.read()

    def test_images_have_the_reference_s_counts(self):
        with open(os.path.join(ROOT, "tests", "vectors", "kernel_vectors.csv"), encoding="utf-8") as file:
            vectors = [line.split(",") for line in file.read().split()[1:]]
        vectors = [vector for vector in vectors if int(vector[3]) < 50_000_000]
        self.assertGreater(len(vectors), 10)
        for width, height, max_iter, total, fnv in vectors:
            image = self.image("--width", width, "--height", height, "--max-iter", max_iter, "--tile-w", "31",
                               "--tile-h", "17")
            counts = array.array("H", image)
            self.assertEqual((len(counts), sum(counts)), (int(width) * int(height), int(total)))
            if len(image) < 1_000_000:
                self.assertEqual(fnv1a(image), int(fnv, 16), (width, height, max_iter))

    def test_schedules_kernels_threads_and_modes_give_the_same_image(self):
        options = ["--width", "321", "--height", "123", "--max-iter", "500", "--region", "-0.8,0.05,0.1,0.1"]
        expected = self.image(*options, "--kernel", "scalar", "--mode", "sequential")
        info = tilery(self.server.url, "info").stdout
        for kernel in re.search(r"kernels +(.*)", info).group(1).split():
            for schedule in re.search(r"schedules +(.*)", info).group(1).split():
                self.assertEqual(self.image(*options, "--kernel", kernel, "--schedule", schedule, "--num-threads",
                                            "3"), expected, (kernel, schedule))

    def test_many_bands_make_one_image(self):
        wide = ["--width", "20000", "--height", "400", "--max-iter", "20", "--tile-w", "500"]
        expected = self.image(*wide, "--tile-h", "400")
        self.assertEqual(len(expected), 20000 * 400 * 2)
        self.assertEqual(self.image(*wide, "--tile-h", "7"), expected)

    def test_a_huge_image_takes_little_memory_on_both_ends(self):
        """512 MiB of counts, of which each end holds some bands and batches."""
        size, most, read = 16384, 0, 0
        before = most_memory(self.server)
        with subprocess.Popen([program("tilery"), "--server", self.server.url, "render", "--width", str(size),
                               "--height", str(size), "--max-iter", "16", "--tile-w", "1024", "--tile-h", "64"],
                              stdout=subprocess.PIPE) as render:
            while piece := render.stdout.read(8 << 20):
                read += len(piece)
                if read < size * size * 2:
                    most = max(most, most_memory(render))
        self.assertEqual((render.returncode, read), (0, size * size * 2))
        grown = most_memory(self.server) - before
        print(f"{size} x {size}: at most {most >> 20} MiB in tilery, {grown >> 20} MiB more in tileryd")
        self.assertLess(most, 64 << 20)
        self.assertLess(grown, 96 << 20)

    def opened(self):
        """How many streams were, and how many still are."""
        said = stats(self.server.url)
        return int(said.get("tilery.v1.TileCompute/OpenStream.calls.OK", 0)), int(said["streams"])

    def test_a_reader_that_pauses_for_longer_than_a_lease_gets_the_whole_image(self):
        """Takes the lease's ten seconds. The second band has been begun when the pipe is full of the first one; its
        stream is gone when the pipe is read, and it is begun anew after the third."""
        shape = ["--width", "4096", "--height", "3072", "--tile-w", "4096", "--tile-h", "256", "--max-iter", "20",
                 "--num-threads", "2"]
        expected = self.image(*shape)
        before, _ = self.opened()
        with subprocess.Popen([program("tilery"), "--server", self.server.url, "render", *shape],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as render:
            until(lambda: render.poll() is not None or self.opened() == (before + 2, 0), "the lease has run out")
            self.assertIsNone(render.poll())
            image, said = render.communicate(timeout=60)
        self.assertEqual((render.returncode, said), (0, b""))
        self.assertTrue(image == expected)
        self.assertEqual(self.opened(), (before + 4, 0))

    def test_cancel_ends_it_whichever_of_its_runs_is_at_work(self):
        opened = "tilery.v1.TileCompute/OpenStream.calls.OK"
        before = int(stats(self.server.url).get(opened, 0))
        # Four bands, of which the last ones hold much of the interior.
        picture = subprocess.Popen([program("tilery"), "--server", self.server.url, "--request-id=picture", "render",
                                    "--width=4096", "--height=4096", "--region=-1,-3,1.2,3.2", "--kernel=scalar",
                                    "--max-iter=65535", "--output", self.file + ".cancelled"], stderr=subprocess.PIPE,
                                   text=True)
        until(lambda: int(stats(self.server.url).get(opened, 0)) >= before + 3, "its third band is begun")
        answer = tilery(self.server.url, "cancel", "picture")
        self.assertEqual((answer.returncode, answer.stdout), (0, "cancelled\n"))
        said = picture.communicate(timeout=60)[1]
        self.assertEqual((picture.returncode, said), (1, "tilery: CANCELLED: the stream was cancelled\n"))
        self.assertFalse(os.path.exists(self.file + ".cancelled"))
        wait_stats(self.server.url, streams=0, runs_running=0, runs_queued=0)

    def test_a_pgm_holds_the_counts(self):
        raw = self.image("--width", "70", "--height", "50", "--max-iter", "100")
        pgm = self.image("--width", "70", "--height", "50", "--max-iter", "100", "--format", "pgm")
        counts = array.array("H", raw)
        counts.byteswap()
        self.assertEqual(pgm, b"P5\n70 50\n256\n" + counts.tobytes())

    def test_a_png_s_colours_follow_from_counts_and_threads(self):
        shape = ["--width", "150", "--height", "100", "--max-iter", "90", "--tile-w", "32", "--tile-h", "32"]
        counts = array.array("H", self.image(*shape))
        for palette in ("grey", "viridis", "magma"):
            colours = {}
            for count, colour in zip(counts, pixels_of(self.image(*shape, "--format", "png", "--palette", palette))):
                self.assertEqual(colours.setdefault(count, colour), colour)
            self.assertEqual(colours.pop(90), (0, 0, 0))
            lightness = [0.2126 * red + 0.7152 * green + 0.0722 * blue for _, (red, green, blue) in sorted(colours.items())]
            self.assertEqual(lightness, sorted(lightness), palette)
        png = self.image(*shape, "--format", "png", "--palette", "thread", "--num-threads", "2", "--schedule", "cyclic")
        for i, (red, green, blue) in enumerate(pixels_of(png)):
            task = i // 150 // 32 * 5 + i % 150 // 32
            self.assertEqual(task % 2 == 0, red > blue, (i, task))

    def test_an_incomplete_image_is_a_failure_and_leaves_no_file(self):
        if os.path.exists(self.file):
            os.remove(self.file)
        result = self.render("--time-limit-ms", "0")
        self.assertEqual(result.returncode, 4)
        self.assertIn("--time-limit-ms is 0; 130 of a band's 130 tiles were left undone", result.stderr)
        self.assertFalse(os.path.exists(self.file))

    def test_what_cannot_be_written_is_a_failure(self):
        result = self.render(output="/dev/full")
        self.assertEqual(result.returncode, 15)
        self.assertIn("No space left on device", result.stderr)
        self.assertEqual(self.render(output="/nowhere/image").returncode, 15)

    def test_a_name_that_promises_a_picture_is_warned_about_where_there_is_none(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, arguments, warned in (("a.png", [], True), ("a.pgm", [], True), ("a.raw", [], False), ("a", [], False),
                                            ("a.png", ["--quiet"], False), ("a.png", ["--format=png"], False)):
                result = tilery(self.server.url, "render", "--width=8", "--height=8", *arguments, "--output",
                                os.path.join(folder, name))
                said = f"{name} gets raw counts, as --format {name[-3:]} is not given\n"
                self.assertEqual((result.returncode, result.stderr.endswith(said)), (0, warned), result.stderr)
                self.assertEqual(result.stderr == "", not warned)

    def test_bad_requests_are_refused_in_words(self):
        for arguments, code, said in [
                (["--format", "gif"], 64, 'format is "gif"; it must be'),
                (["--first-task", "3"], 64, "--first-task is not an option of render"),
                (["--schedule", "random"], 64, 'schedule is "random"; it must be static, cyclic'),
                (["--region", "0,0,1"], 64, 'region is "0,0,1"; it must be re_min'),
                (["--region", "0,0,1,-1"], 64, "the spans above 0"),
                (["--region", "nan,0,1,1"], 64, "four finite numbers"),
                (["--width", "65536", "--height", "65536", "--tile-w", "65536", "--tile-h", "1024"], 3, "134217728 bytes"),
                (["--kernel", "gpu"], 3, 'kernel is "gpu"; it must be one of auto')]:
            result = self.render(*arguments)
            self.assertEqual(result.returncode, code, arguments)
            self.assertIn(said, result.stderr)

    def test_an_image_is_not_for_a_terminal(self):
        master, slave = os.openpty()
        result = subprocess.run([program("tilery"), "--server", self.server.url, "render"], stdout=slave,
                                stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        os.close(slave)
        os.close(master)
        self.assertEqual(result.returncode, 64)
        self.assertIn("--output FILE", result.stderr)


if __name__ == "__main__":
    unittest.main()
