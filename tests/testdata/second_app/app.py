"""A tiny HTTP service: says who answers, what it was given, and logs each request."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers every path alike."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Say what this task knows."""
        body = json.dumps(
            {
                "name": os.environ.get("NAME", "second"),
                "secret": os.environ.get("DATABASE_URL", ""),
                "parameter": os.environ.get("FLAG", ""),
                "path": self.path,
                "for": self.headers.get("X-Forwarded-For", ""),
                "pid": os.getpid(),
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, text: str, *arguments: object) -> None:
        """One line a request, at once."""
        sys.stdout.write(f"request {text % arguments}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "8080"))
    sys.stdout.write(f"listening on {port}\n")
    sys.stdout.flush()
    ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
