"""The configuration under which caddy serves a static site as the usual nginx image does."""

from collections.abc import Sequence
from pathlib import Path

_TEMPLATE = """\
{
	admin off
	auto_https off
	persist_config off
	grace_period 10s
	log default {
		output stderr
		level WARN
		exclude http.log.access
	}
	servers {
		protocols h1
	}
}

@SITES@ {
	bind @ADDRESS@
	root * `@ROOT@`
	encode gzip

	@probe header User-Agent ELB-HealthChecker*
	log_skip @probe
	log {
		output stdout
		format filter {
			wrap json
			fields {
				request>headers delete
				resp_headers delete
			}
		}
	}

	@hashed path /_next/static/* /static/* /assets/*
	@image path *.png *.jpg *.svg *.ico *.webp
	@manifest path *.webmanifest
	route {
		header Cache-Control no-cache
		header X-Content-Type-Options nosniff
		header @hashed Cache-Control "public, max-age=31536000, immutable"
		header @image Cache-Control "public, max-age=86400"
		header @manifest Content-Type application/manifest+json
	}

	try_files {path} {path}.html {path}/index.html =404
	file_server
	handle_errors 404 {
		header Cache-Control no-cache
		header X-Content-Type-Options nosniff
		rewrite * /404.html
		file_server
	}
}
"""


def caddyfile(root: Path, *, address: str, ports: Sequence[int]) -> str:
    """Return a Caddyfile that serves `root` at `address` on all `ports`.

    Pages have clean URLs, unknown paths get `404.html`; files whose names carry a hash are
    cached for ever. Probes of a load balancer are not logged.
    """
    sites = ", ".join(f"http://:{port}" for port in ports)
    return (
        _TEMPLATE.replace("@SITES@", sites)
        .replace("@ADDRESS@", address)
        .replace("@ROOT@", str(root))
    )
