# The sandbox in one image: `sandbox serve [PART]...` runs one part, several, or all of it.
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE}

# What pipeline steps expect of a build machine, and git for the Git server.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl git jq nodejs npm openssh-client procps zip unzip \
 && rm -rf /var/lib/apt/lists/*

# Docker's command, for builds with BuildKit and for pipelines that call it. Debian 12 has it in
# one package with the engine, which is not wanted here.
WORKDIR /tmp/docker
RUN apt-get update \
 && if apt-cache show docker-cli >/dev/null 2>&1; then \
      apt-get install -y --no-install-recommends docker-cli docker-buildx; \
    else \
      apt-get download docker.io && dpkg-deb -x docker.io_*.deb . && mv usr/bin/docker /usr/local/bin/; \
    fi \
 && rm -rf /tmp/docker /var/lib/apt/lists/*

WORKDIR /opt/sandbox
# The system's certificates, so that a company's own authority is trusted during the build.
ENV UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy PYTHONUNBUFFERED=1
COPY tools/pyproject.toml tools/uv.lock tools/
COPY tools/checkov/pyproject.toml tools/checkov/uv.lock tools/checkov/
COPY pyproject.toml uv.lock README.md LICENSE ./
ARG UV_VERSION=0.13.9
RUN python3 -m venv .venv \
 && .venv/bin/pip install --no-cache-dir --disable-pip-version-check uv==${UV_VERSION} \
 && .venv/bin/uv sync --no-cache --frozen --inexact --no-dev --group delegate --extra postgres --no-install-project \
 && .venv/bin/uv sync --no-cache --frozen --project tools \
 && .venv/bin/uv sync --no-cache --frozen --project tools/checkov
COPY sandbox sandbox
COPY fake_harness fake_harness
RUN .venv/bin/uv sync --no-cache --frozen --inexact --no-dev --group delegate --extra postgres \
 && useradd --create-home --uid 1000 sandbox \
 && install -d -o sandbox -g sandbox /state

ENV PATH=/opt/sandbox/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    SANDBOX_HOME=/state \
    SANDBOX_BIND=0.0.0.0
USER sandbox
WORKDIR /state
VOLUME /state
EXPOSE 4566 4567 7457 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=2s --timeout=3s --start-period=60s --retries=5 \
  CMD curl -fsS http://127.0.0.1:4566/_sandbox/health >/dev/null && curl -fsS http://127.0.0.1:7457/health | grep -q '"engine":"running"'
ENTRYPOINT ["sandbox"]
CMD ["serve"]
