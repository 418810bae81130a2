"""An ECR of its own on an ephemeral port, as the gateway would serve it."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from sandbox.aws.ecr.plane import EcrPlane
from sandbox.aws.store import RecordStore
from sandbox.aws.wire import RequestContext, WireRequest
from sandbox.clock import Now, utc_now

ACCOUNT = "000000000000"


@dataclass
class EcrServer:
    plane: EcrPlane
    host: str
    stop: Callable[[], None]

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def client(self, region: str = "us-east-1") -> Any:
        return boto3.client(
            "ecr",
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}),
        )

    def image_host(self, region: str = "us-east-1") -> str:
        """The registry with the ECR host name as its first path component."""
        return f"{self.host}/{ACCOUNT}.dkr.ecr.{region}.amazonaws.com"


def serve(state: Path, *, now: Now = utc_now) -> EcrServer:
    state.mkdir(parents=True, exist_ok=True)
    store = RecordStore(state / "store.db")
    planes: list[EcrPlane] = []

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/v2/"):
            return planes[0].registry(environ, start_response)
        request = Request(environ)
        region = request.headers["Authorization"].split("/")[2]
        answer = planes[0].service.handle(
            RequestContext(account_id=ACCOUNT, region=region),
            WireRequest(
                method=request.method,
                path=request.path,
                query_string=request.query_string.decode(),
                headers=dict(request.headers.items()),
                body=request.get_data(),
            ),
        )
        return Response(answer.body, answer.status, dict(answer.headers))(environ, start_response)

    server = make_server("127.0.0.1", 0, app, threaded=True)
    host = f"127.0.0.1:{server.server_port}"
    planes.append(
        EcrPlane(
            store=store, blob_dir=state / "blobs", account_id=ACCOUNT, public_host=host, now=now
        )
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        thread.join()
        server.server_close()
        store.close()

    return EcrServer(plane=planes[0], host=host, stop=stop)
