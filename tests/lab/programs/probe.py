"""A writer that knows nothing of the canary: what it sees of a mount is what the canary's figures are compared with.

Runs on a worker: `python3 probe.py DIRECTORY LOG PERIOD`. A write of its own is due every PERIOD seconds on the wall
clock's grid, whatever became of earlier ones; for each, LOG gets a line `due done errno` (seconds since 1970; errno's
number, 0 for success). SIGTERM ends it.
"""

import os
import queue
import sys
import threading
import time

WRITERS = 64


def write(path: str, directory: int) -> int:
    """Errno (0: none) of one durable write as an editor makes it: new file, fsync, rename, fsync of the directory."""
    try:
        handle = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            os.write(handle, b"probe" * 800)
            os.fsync(handle)
        finally:
            os.close(handle)
        os.rename(path + ".new", path)
        os.fsync(directory)
    except OSError as error:
        return error.errno or -1
    return 0


def writer(number: int, directory: str, due_writes: "queue.SimpleQueue[float]", log: int) -> None:
    """Serve the queue for ever; a line shorter than a page is appended whole."""
    path = os.path.join(directory, f"probe-{number}")
    handle = os.open(directory, os.O_RDONLY)
    while True:
        due = due_writes.get()
        errno = write(path, handle)
        os.write(log, f"{due:.4f} {time.time():.4f} {errno}\n".encode())


def main() -> None:
    """Until the process is ended."""
    directory, log_path, period = sys.argv[1], sys.argv[2], float(sys.argv[3])
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    due_writes: queue.SimpleQueue[float] = queue.SimpleQueue()
    for number in range(WRITERS):
        threading.Thread(target=writer, args=(number, directory, due_writes, log), daemon=True).start()
    due = (time.time() // period + 1) * period
    while True:
        time.sleep(max(0.0, due - time.time()))
        due_writes.put(due)
        due += period


if __name__ == "__main__":
    main()
