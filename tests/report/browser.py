# SPDX-License-Identifier: BSD-2-Clause
"""A headless Chromium, driven over the pipe of its DevTools protocol: no port, no driver program."""
import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-default-apps",
         "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe"]
SECONDS = 60


class Browser:
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="namegate-chromium-")
        there_reads, self.out = os.pipe()
        self.inn, there_writes = os.pipe()

        def lay_out():
            # Above 3 and 4 first: one of them may be what the other has to become.
            high_reads, high_writes = os.dup(there_reads), os.dup(there_writes)
            while min(high_reads, high_writes) < 5:
                high_reads, high_writes = os.dup(high_reads), os.dup(high_writes)
            os.dup2(high_reads, 3)
            os.dup2(high_writes, 4)

        self.log = open(os.path.join(self.profile, "log"), "wb")
        self.process = subprocess.Popen(["chromium", *FLAGS, f"--user-data-dir={self.profile}/data", "about:blank"],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=lay_out,
                                        close_fds=False, start_new_session=True)
        os.close(there_reads)
        os.close(there_writes)
        self.buffer = b""
        self.number = 0
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = None
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def close(self):
        with contextlib.suppress(Exception):
            self.session = None
            self.call("Browser.close")
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.out)
        os.close(self.inn)
        self.log.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def receive(self):
        end = time.monotonic() + SECONDS
        while b"\0" not in self.buffer:
            if not select.select([self.inn], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            data = os.read(self.inn, 1 << 20)
            if not data:
                with open(self.log.name, encoding="utf-8", errors="replace") as log:
                    raise EOFError("the browser is gone: " + log.read()[-2000:])
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(line)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if getattr(self, "session", None):
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data):]
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, event):
        while True:
            for at, message in enumerate(self.events):
                if message.get("method") == event:
                    return self.events.pop(at)
            self.events.append(self.receive())

    def open(self, url, width=1280, theme="light"):
        """A fresh page of that size; what it asked of the network, and complained of, is in self.events."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        self.call("Page.navigate", url="about:blank")
        self.wait_for("Page.loadEventFired")
        self.events.clear()
        self.call("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired")

    def eval(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def key(self, name):
        key, number = {"Tab": ("Tab", 9), "Space": (" ", 32)}[name]
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=name, windowsVirtualKeyCode=number,
                      text=key if key == " " and kind == "keyDown" else "")

    def screenshot(self, path):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 8000), "scale": 1}
        picture = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture))
