"""A strict reader of Prometheus' text format:
https://prometheus.io/docs/instrumenting/exposition_formats/ and https://prometheus.io/docs/practices/naming/."""
import math
import re

NAME = r"[a-z][a-z0-9_]*"
HEAD = re.compile(rf"# (HELP|TYPE) ({NAME}) (.+)")
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(rf'({NAME})="((?:[^"\\\n]|\\[\\"n])*)"(?:,(?!$)|$)')
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


def labels_of(text):
    labels, at = {}, 0
    while at < len(text):
        found = LABEL.match(text, at)
        assert found and found.group(1) not in labels, f"bad labels: {text!r}"
        labels[found.group(1)] = found.group(2)
        at = found.end()
    return labels


def check_name(name, kind):
    assert name.endswith("_total") == (kind == "counter"), f"{name} is a {kind}"
    assert not re.search("_(ms|ns|us|milliseconds|count|sum|bucket|kib|mib)(_|$)", name), name
    assert kind != "histogram" or name.endswith("_seconds"), name


def check_histogram(name, samples):
    """Every set of labels has buckets that ascend to +Inf, which is the count, and a sum."""
    series = {}
    for (sample, labels), value in samples.items():
        rest = tuple(pair for pair in labels if pair[0] != "le")
        series.setdefault(rest, {}).setdefault(sample.removeprefix(name), []).append((dict(labels).get("le"), value))
    for labels, parts in series.items():
        bounds = [(float(bound), value) for bound, value in parts["_bucket"]]
        assert bounds == sorted(bounds) and len(set(bound for bound, _ in bounds)) == len(bounds), (name, labels)
        counts = [value for _, value in bounds]
        assert counts == sorted(counts), (name, labels)
        assert math.isinf(bounds[-1][0]) and [(None, counts[-1])] == parts["_count"], (name, labels)
        (_, total), = parts["_sum"]
        assert total >= 0 and (total > 0) <= (counts[-1] > 0), (name, labels)


class Metrics:
    """What was read: families gives each name's type, samples each series' value."""

    def __init__(self, text):
        assert text.endswith("\n") and "\n\n" not in text and text.isascii()
        self.families, self.samples, self.of_family, self.family, self.head = {}, {}, {}, None, None
        for line in text.splitlines():
            self.read(line)
        assert self.head is None
        for name, kind in self.families.items():
            check_name(name, kind)
            if kind == "histogram":
                check_histogram(name, self.of_family[name])

    def read(self, line):
        found = HEAD.fullmatch(line)
        if found is None:
            self.read_sample(line)
        elif found.group(1) == "HELP":
            assert self.head is None and found.group(2) not in self.families, line
            self.head = found.group(2)
        else:
            assert self.head == found.group(2) and found.group(3) in SUFFIXES, line
            self.family, self.head = found.group(2), None
            self.families[self.family] = found.group(3)
            self.of_family[self.family] = {}

    def read_sample(self, line):
        found = SAMPLE.fullmatch(line)
        assert found and self.head is None and self.family is not None, line
        name, labels, value = found.group(1), labels_of(found.group(2) or ""), float(found.group(3))
        kind = self.families[self.family]
        assert name in [self.family + suffix for suffix in SUFFIXES[kind]], line
        assert ("le" in labels) == name.endswith("_bucket"), line
        assert math.isfinite(value) and value >= 0, line
        key = (name, tuple(sorted(labels.items())))
        assert key not in self.samples, line
        self.samples[key] = self.of_family[self.family][key] = value

    def value(self, name, **labels):
        """0 for a series that is not there."""
        return self.samples.get((name, tuple(sorted(labels.items()))), 0)

    def labels(self, name, label):
        return {dict(labels)[label] for sample, labels in self.samples if sample == name}
