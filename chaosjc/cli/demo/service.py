"""The small web service of the demo without a lab: `python -m chaosjc.cli.demo.service PORT DIRECTORY`.

It answers 200; 503 while DIRECTORY/broken exists; and nothing while DIRECTORY/hanging does.
"""

from __future__ import annotations

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class _Handler(BaseHTTPRequestHandler):
    directory = Path()

    def do_GET(self) -> None:
        """Answer as the files in the directory say."""
        while (self.directory / "hanging").exists():
            time.sleep(0.05)
        broken = (self.directory / "broken").exists()
        body = b"broken\n" if broken else b"fine\n"
        self.send_response(503 if broken else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def serve(port: int, directory: Path) -> None:
    """Serve on loopback until killed."""
    _Handler.directory = directory
    ThreadingHTTPServer(("127.0.0.1", port), _Handler).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
