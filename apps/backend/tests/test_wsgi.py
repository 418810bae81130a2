from __future__ import annotations

import wsgi


def test_gunicorn_finds_a_working_application() -> None:
    assert wsgi.app.test_client().get("/api/health").status_code == 200
