"""Checks a Grafana dashboard against the samples of openmetrics.py: DASHBOARD SAMPLES. It names only metrics and labels
that are exported, and all that are exported; panels have their own ids and do not overlap."""
import json
import re
import sys

dashboard, samples = (json.load(open(path)) for path in sys.argv[1:3])
labels = {}
for key in samples:
    name, _, rest = key.partition("{")
    labels.setdefault(name, set()).update(re.findall(r'(\w+)="', rest))
panels = [p for p in dashboard["panels"] if p["type"] != "row"]
expressions = [t["expr"] for p in panels for t in p["targets"]]
assert expressions and dashboard["uid"] and dashboard["title"]

named = set()
for expression in expressions:
    own = set(re.findall(r"\bnamegate_\w+", expression))
    assert own, f"no metric: {expression}"
    for name in own:
        assert name in labels, f"{name} is not exported"
    known = set().union(*(labels[name] for name in own)) | {"instance", "job"}
    used = set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', expression))
    for group in re.findall(r"\b(?:by|without|on)\s*\(([^)]*)\)", expression):
        used |= set(re.findall(r"\w+", group))
    assert used <= known, f"{used - known} is no label of {own}: {expression}"
    assert 'instance=~"$instance"' in expression, f"not of the instance: {expression}"
    assert expression.count("(") == expression.count(")"), expression
    named |= own

# Of a histogram the buckets are enough; the version is for the variable.
needed = {n for n in labels if not re.search(r"_(count|sum)$", n)} - {"namegate_info"}
assert named >= needed, f"not on the dashboard: {sorted(needed - named)}"

ids = [p["id"] for p in dashboard["panels"]]
assert len(ids) == len(set(ids)), "two panels have one id"
taken = {}
for panel in dashboard["panels"]:
    at = panel["gridPos"]
    assert at["x"] + at["w"] <= 24, panel["title"]
    for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
        assert cell not in taken, f"{panel['title']} lies on {taken[cell]}"
        taken[cell] = panel["title"]
