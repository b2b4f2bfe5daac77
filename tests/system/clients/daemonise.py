# SPDX-License-Identifier: BSD-2-Clause
"""daemonise.py DIR ADDRESS PORT: leaves its parent and session, waits for DIR/go, connects, writes DIR/result."""
import os
import socket
import sys
import time

where, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
for fd in range(3):
    os.close(fd)
while not os.path.exists(where + "/go"):
    time.sleep(0.05)
try:
    socket.create_connection((address, port), 3)
    result = "ok"
except OSError as error:
    result = os.strerror(error.errno or 0)
with open(where + "/result.new", "w") as out:
    out.write(result)
os.rename(where + "/result.new", where + "/result")
while not os.path.exists(where + "/end"):
    time.sleep(0.05)
