"""Puts the parts of the local AWS together; the only module that knows them all."""

from sandbox.aws.autoscaling.service import ScalingService
from sandbox.aws.ca import CertificateAuthority
from sandbox.aws.ecr.plane import EcrPlane
from sandbox.aws.ecs.arns import Scope
from sandbox.aws.ecs.plane import EcsPlane
from sandbox.aws.elbv2.plane import Elbv2Plane
from sandbox.aws.engines import Engine, open_engine
from sandbox.aws.gateway import Gateway, WsgiApp
from sandbox.aws.localstack.pages import LocalStackPages
from sandbox.aws.localstack.ports import OwnerClient, OwnerLogs, OwnerRoles
from sandbox.aws.localstack.upstream import LocalStackUpstream
from sandbox.aws.logs.plane import LogsPlane
from sandbox.aws.moto_plane.local_client import LocalClient
from sandbox.aws.moto_plane.plane import MotoPlane
from sandbox.aws.moto_plane.ports import MotoSecrets
from sandbox.aws.ports import LogSink, RolePlane, SecretSource
from sandbox.aws.runtime.port import ContainerRuntime
from sandbox.aws.store import RecordStore
from sandbox.aws.trail.callers import TaskCredentials
from sandbox.aws.trail.plane import TrailPlane
from sandbox.aws.trail.store import PERMISSIONS_PATH
from sandbox.aws.wire import RequestContext
from sandbox.clock import TimeScale
from sandbox.environments import endpoint_variables
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
    engine = (
        Engine(runtime=runtime)
        if runtime
        else open_engine(settings, ecr.images, registry_password=ecr.password)
    )
    ecs = EcsPlane(
        store=store,
        runtime=engine.runtime,
        registrar=elbv2.registrar,
        images=ecr.images,
        logs=sink,
        secrets=secrets,
        network=moto.network,
        roles=roles,
        time_scale=scale,
        task_environment=_task_environment(settings, engine),
        credentials=TaskCredentials(),
    )
    trail = TrailPlane(
        settings.aws_dir / "trail.sqlite",
        principals=moto.principals,
        account_id=settings.account_id,
        forward=moto.handle,
        roles_of=lambda region, name: ecs.roles_of(Scope(settings.account_id, region), name),
    )
    autoscaling = ScalingService(
        moto.handle,
        lambda region, cluster, name: ecs.service_exists(
            Scope(settings.account_id, region), cluster, name
        ),
    )
    own = (logs.service, ecr.service, elbv2.service, ecs.service)
    beside = (autoscaling, trail.service, trail.identity)
    services = {s.name: s for s in (*own, *beside)}
    caller = RequestContext(account_id=settings.account_id, region=settings.region)
    pages = LocalStackPages(services, moto.services, caller, upstream)
    routes: dict[str, WsgiApp] = {"/_localstack": pages, PERMISSIONS_PATH: trail.permissions}
    return Gateway(
        services=services,
        moto=moto,
        account_id=settings.account_id,
        region=settings.region,
        registry=ecr.registry,
        routes=routes | ({"/_aws": pages} if upstream else {}),
        loops=[moto, trail, elbv2, *engine.loops, ecs],
        upstream=upstream,
        recorder=trail,
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


def _task_environment(settings: Settings, engine: Engine) -> dict[str, str]:
    """Return what every container receives: the environment switch, seen from where it runs."""
    endpoint = {"AWS_ENDPOINT_URL": engine.aws_endpoint} if engine.aws_endpoint else {}
    return endpoint_variables(settings) | endpoint
