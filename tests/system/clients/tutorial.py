"""Does what a tutorial says: TUTORIAL DIRECTORY. Each block ```sh is run there by bash, and must succeed. The lines of
the block without a language behind it must be in the output, in this order: a line as a part of one, "…" for anything,
spaces do not count."""
import re
import subprocess
import sys

text = open(sys.argv[1], encoding="utf-8").read()
blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
assert blocks and blocks[0][0] == "sh", "no block with commands"
checked = 0


def fail(why, commands, output):
    sys.exit(f"{why}\n--- commands\n{commands}--- output\n{output}")


for number, (language, body) in enumerate(blocks):
    if language == "sh":
        # Not a pipe: what a deployment leaves behind would keep it open.
        with open(sys.argv[2] + ".out", "w+", encoding="utf-8") as log:
            status = subprocess.run(["bash", "-c", body], cwd=sys.argv[2], stdin=subprocess.DEVNULL, stdout=log,
                                    stderr=log).returncode
            log.seek(0)
            output = log.read()
        if status:
            fail(f"status {status}", body, output)
        continue
    assert language == "" and blocks[number - 1][0] == "sh", f"a block of {language} is out of place: {body}"
    at = 0
    lines = [" ".join(line.split()) for line in output.split("\n")]
    for expected in filter(None, (" ".join(line.split()) for line in body.split("\n"))):
        pattern = re.compile(".*".join(re.escape(part) for part in expected.split("…")))
        while at < len(lines) and not pattern.search(lines[at]):
            at += 1
        if at == len(lines):
            fail(f"not there, or not in this order: {expected}", blocks[number - 1][1], output)
        at += 1
        checked += 1
print(checked)
