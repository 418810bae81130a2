"""Puts the parts of the local AWS together; the only module that knows them all."""

from sandbox.aws.ca import CertificateAuthority
from sandbox.aws.ecr.plane import EcrPlane
from sandbox.aws.ecs.plane import EcsPlane
from sandbox.aws.elbv2.plane import Elbv2Plane
from sandbox.aws.gateway import Gateway
from sandbox.aws.localstack.pages import LocalStackPages
from sandbox.aws.localstack.ports import OwnerClient, OwnerLogs, OwnerRoles
from sandbox.aws.localstack.upstream import LocalStackUpstream
from sandbox.aws.logs.plane import LogsPlane
from sandbox.aws.moto_plane.local_client import LocalClient
from sandbox.aws.moto_plane.plane import MotoPlane
from sandbox.aws.moto_plane.ports import MotoSecrets
from sandbox.aws.ports import ImageResolver, LogSink, RolePlane, SecretSource
from sandbox.aws.runtime.fake import FakeRuntime
from sandbox.aws.runtime.port import ContainerRuntime
from sandbox.aws.runtime.process import ProcessRuntime
from sandbox.aws.store import RecordStore
from sandbox.aws.wire import RequestContext
from sandbox.clock import TimeScale
from sandbox.environments import aws_variables
from sandbox.errors import UsageError
from sandbox.settings import Settings


def build_gateway(settings: Settings, *, runtime: ContainerRuntime | None = None) -> Gateway:
    """Build every part from its state under `settings.aws_dir`; nothing runs yet.

    `runtime` stands in for the one that the settings name: a test keeps hold of its own.
    """
    authority = CertificateAuthority.open(settings.ca_dir)
    store = RecordStore(settings.aws_dir / "records.sqlite")
    scale = TimeScale(settings.time_scale)
    moto = MotoPlane(settings.aws_dir / "moto", authority, settings.account_id)
    logs = LogsPlane(settings.aws_dir / "logs.sqlite", moto.log_groups, moto.handle)
    ecr = EcrPlane(
        store=store,
        blob_dir=settings.aws_dir / "blobs",
        account_id=settings.account_id,
        public_host=f"127.0.0.1:{settings.aws_port}",
        default_region=settings.region,
    )
    elbv2 = Elbv2Plane(
        store=store,
        network=moto.network,
        certificates=moto.certificates,
        time_scale=scale,
        alb_network=settings.alb_network,
        names_file=settings.names_file,
        envoy_dir=settings.envoy_dir,
        ads_socket=settings.ads_socket,
    )
    upstream = _upstream(settings)
    secrets, roles, sink = _task_sources(settings, moto, logs, upstream)
    ecs = EcsPlane(
        store=store,
        runtime=runtime or _runtime(settings, ecr.images),
        registrar=elbv2.registrar,
        images=ecr.images,
        logs=sink,
        secrets=secrets,
        network=moto.network,
        roles=roles,
        time_scale=scale,
        task_environment=aws_variables(settings),
    )
    services = {s.name: s for s in (logs.service, ecr.service, elbv2.service, ecs.service)}
    caller = RequestContext(account_id=settings.account_id, region=settings.region)
    pages = LocalStackPages(services, moto.services, caller, upstream)
    return Gateway(
        services=services,
        moto=moto,
        account_id=settings.account_id,
        region=settings.region,
        registry=ecr.registry,
        routes={"/_localstack": pages} | ({"/_aws": pages} if upstream else {}),
        loops=[moto, elbv2, ecs],
        upstream=upstream,
    )


def _upstream(settings: Settings) -> LocalStackUpstream | None:
    """Return the LocalStack behind the gateway, where the settings want one."""
    if settings.aws == "local":
        return None
    return LocalStackUpstream(settings.localstack_url, settings.account_id)


def _task_sources(
    settings: Settings, moto: MotoPlane, logs: LogsPlane, upstream: LocalStackUpstream | None
) -> tuple[SecretSource, RolePlane, LogSink]:
    """Return what tasks read and write, asked of whoever owns each service."""
    if upstream is None:
        return moto.secrets, moto.roles, logs.sink
    client = LocalClient(OwnerClient(upstream, moto.handle).handle, settings.account_id)
    return (
        MotoSecrets(client),
        OwnerRoles(upstream, moto.roles, client),
        OwnerLogs(upstream, logs.sink, client),
    )


def _runtime(settings: Settings, images: ImageResolver) -> ContainerRuntime:
    """Return the runtime that the settings name.

    Raises:
        UsageError: there is no such runtime; nothing is downgraded in silence.
    """
    if settings.engine == "process":
        root = settings.aws_dir / "runtime"
        return ProcessRuntime(root=root, images=images, network=settings.task_network)
    if settings.engine == "fake":
        return FakeRuntime()
    raise UsageError(
        f"SANDBOX_ENGINE={settings.engine} is no container runtime.", hint="Use process or fake."
    )
