"""Reads OpenMetrics text from standard input, strictly, and prints its samples as JSON: name{labels} -> value. What is
not OpenMetrics 1.0.0 is an error."""
import json
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABELS = r'\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"(?:,(?!\}))?)*\}'
SUFFIXES = {"counter": ["_total", "_created"], "gauge": [""], "info": ["_info"],
            "histogram": ["_bucket", "_count", "_sum", "_created"]}

data = sys.stdin.buffer.read().decode()
assert data.endswith("# EOF\n") and data.count("# EOF") == 1, "it does not end with # EOF"
families, samples, current = {}, {}, None
for line in data.split("\n")[:-2]:
    meta = re.fullmatch(rf"# (TYPE|HELP|UNIT) ({NAME}) (.+)", line)
    if meta:
        word, name, rest = meta.groups()
        if name != current:
            assert name not in families, f"{name} is in two places"
            families[name] = {"samples": 0}
            current = name
        assert word not in families[name], f"two {word} of {name}"
        assert families[name]["samples"] == 0, f"{word} of {name} behind its samples"
        assert word != "UNIT" or name.endswith("_" + rest), f"the unit of {name} is not in its name"
        families[name][word] = rest
        continue
    sample = re.fullmatch(rf"({NAME})({LABELS})? (\d+(?:\.\d+)?)", line)
    assert sample, f"no sample: {line!r}"
    name, labels, value = sample.groups()
    assert current and name.startswith(current), f"{name} without its TYPE"
    assert name[len(current):] in SUFFIXES[families[current]["TYPE"]], f"{name} is no name in a {families[current]}"
    assert "HELP" in families[current], f"no HELP of {current}"
    families[current]["samples"] += 1
    key = name + (labels or "")
    assert key not in samples, f"{key} twice"
    samples[key] = float(value)

for family, about in families.items():
    assert about["samples"], f"{family} has no samples"
    if about["TYPE"] != "histogram":
        continue
    assert about.get("UNIT") == "seconds", f"{family} has no unit"
    buckets = {}
    for key, value in samples.items():
        found = re.fullmatch(rf'{family}_bucket\{{(.*),le="([^"]+)"\}}', key)
        if found:
            buckets.setdefault(found[1], []).append((float(found[2]), value))
    assert buckets
    for labels, row in buckets.items():
        assert row == sorted(row) and [v for _, v in row] == sorted(v for _, v in row), f"{labels}: not cumulative"
        assert row[-1] == (float("inf"), samples[f"{family}_count{{{labels}}}"]), f"{labels}: +Inf is not the count"
        assert f"{family}_sum{{{labels}}}" in samples
json.dump(samples, sys.stdout)
