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

WRITERS = 12  # what is due beyond that waits, and its waiting counts


def write(directory: str, name: str) -> int:
    """Errno (0: none) of one durable write: new file, fsync, rename, fsync of the directory."""
    try:
        new, final = os.path.join(directory, f".{name}"), os.path.join(directory, name)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            os.write(handle, b"probe" * 800)
            os.fsync(handle)
        finally:
            os.close(handle)
        os.rename(new, final)
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        return error.errno or -1
    return 0


def writer(directory: str, due_writes: "queue.SimpleQueue[float]", log: int) -> None:
    """Serve the queue for ever; a line shorter than a page is appended whole."""
    while True:
        due = due_writes.get()
        errno = write(directory, f"{due:.3f}")
        os.write(log, f"{due:.4f} {time.time():.4f} {errno}\n".encode())


def main() -> None:
    """Until the process is ended."""
    directory, log_path, period = sys.argv[1], sys.argv[2], float(sys.argv[3])
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    due_writes: queue.SimpleQueue[float] = queue.SimpleQueue()
    for number in range(WRITERS):
        shelf = os.path.join(directory, str(number))  # a directory has one writer, so that nobody waits for its lock
        os.makedirs(shelf, exist_ok=True)
        threading.Thread(target=writer, args=(shelf, due_writes, log), daemon=True).start()
    due = (time.time() // period + 1) * period
    while True:
        time.sleep(max(0.0, due - time.time()))
        due_writes.put(due)
        due += period


if __name__ == "__main__":
    main()
