"""Target health as the API tells it, against what Envoy really sees, and draining."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from elbv2_server import Alb, World, world
from patience import eventually

from sandbox.aws.ports import Target as PortTarget

TIMED_OUT = ("unhealthy", "Target.Timeout", "Request timed out")
FAILED = ("unhealthy", "Target.FailedHealthChecks", "Health checks failed")


@pytest.fixture(scope="module")
def made() -> Iterator[World]:
    with world(time_scale=50) as w:
        yield w


@pytest.fixture
def alb(made: World, request: pytest.FixtureRequest) -> Iterator[Alb]:
    name = request.node.name.partition("[")[0].removeprefix("test_").replace("_", "-")[:24]
    alb = Alb(made, name.strip("-"))
    yield alb
    alb.elb.delete_load_balancer(LoadBalancerArn=alb.arn)
    for group in alb.elb.describe_target_groups()["TargetGroups"]:
        alb.elb.delete_target_group(TargetGroupArn=group["TargetGroupArn"])


def test_a_group_in_no_listener_is_unused(alb: Alb, made: World) -> None:
    group, target = alb.group("idle"), made.target("idle")
    alb.register(group, target)
    expected = (
        "unused",
        "Target.NotInUse",
        "Target group is not configured to receive traffic from the load balancer",
    )
    assert alb.health(group) == {target.address: expected}
    alb.listener(group)
    alb.await_healthy(group, target)


def test_a_target_never_registered_is_unused_too(alb: Alb) -> None:
    group = alb.group("known")
    rows = alb.elb.describe_target_health(
        TargetGroupArn=group, Targets=[{"Id": "10.0.0.9", "Port": 1}]
    )["TargetHealthDescriptions"]
    assert rows[0]["TargetHealth"] == {
        "State": "unused",
        "Reason": "Target.NotRegistered",
        "Description": "Target is not registered to the target group",
    }


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"health_status": 404},
            (
                "unhealthy",
                "Target.ResponseCodeMismatch",
                "Health checks failed with these codes: [404]",
            ),
        ),
        ({"is_hung": True}, TIMED_OUT),
    ],
)
def test_the_reason_of_a_failed_probe_is_told(
    alb: Alb, made: World, settings: dict[str, object], expected: tuple[str, str, str]
) -> None:
    group = alb.group("failing")
    alb.listener(group)
    target = made.target("failing", **settings)
    alb.register(group, target)
    eventually(lambda: alb.health(group)[target.address] == expected, f"{expected}")


def test_a_port_where_nothing_listens_fails_its_checks(alb: Alb, made: World) -> None:
    group = alb.group("closed")
    alb.listener(group)
    alb.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "127.0.0.66", "Port": 1}])
    assert alb.health(group)["127.0.0.66"][:2] == ("initial", "Elb.RegistrationInProgress")
    eventually(lambda: alb.health(group)["127.0.0.66"] == FAILED, "unhealthy")


def test_one_good_probe_is_enough_for_a_new_target_and_thresholds_count_after(
    alb: Alb, made: World
) -> None:
    group = alb.group("turning", HealthyThresholdCount=5, UnhealthyThresholdCount=3)
    alb.listener(group)
    target = made.target("turning")
    alb.register(group, target)
    alb.await_healthy(group, target)
    assert target.probes == 1
    before = target.probes
    target.health_status = 500
    eventually(lambda: alb.health(group)[target.address][0] == "unhealthy", "unhealthy")
    assert target.probes - before >= 3
    before = target.probes
    target.health_status = 200
    eventually(lambda: alb.health(group)[target.address][0] == "healthy", "healthy again")
    assert target.probes - before >= 5


@pytest.mark.parametrize(("matcher", "status"), [("200-299", 204), ("200,404", 404), ("302", 302)])
def test_the_matcher_decides_what_is_healthy(
    alb: Alb, made: World, matcher: str, status: int
) -> None:
    group = alb.group("matcher", Matcher={"HttpCode": matcher})
    alb.listener(group)
    target = made.target("matcher", health_status=status)
    alb.register(group, target)
    alb.await_healthy(group, target)


def test_probes_go_to_the_health_check_port_and_path(alb: Alb, made: World) -> None:
    target, prober = made.target("traffic", health_status=500), made.target("prober")
    prober.stop()
    prober.address = target.address
    prober.port = 0
    prober.start()
    group = alb.group("port", HealthCheckPort=str(prober.port), HealthCheckPath="/ready?deep=1")
    alb.listener(group)
    alb.register(group, target)
    alb.await_healthy(group, target)
    assert prober.probes > 0
    assert prober.last_probe_path == "/ready?deep=1"
    assert alb.get().json()["target"] == "traffic"
    prober.health_status = 500
    code = (
        "unhealthy",
        "Target.ResponseCodeMismatch",
        "Health checks failed with these codes: [500]",
    )
    eventually(lambda: alb.health(group)[target.address] == code, "unhealthy with its code")


def test_unhealthy_targets_get_no_traffic_until_all_are(alb: Alb, made: World) -> None:
    group = alb.group("open")
    alb.listener(group)
    good, bad = made.target("good"), made.target("bad", health_status=500)
    alb.register(group, good, bad)
    alb.await_healthy(group, good)
    eventually(lambda: alb.health(group)[bad.address][0] == "unhealthy", "unhealthy")
    assert {alb.get().json()["target"] for _ in range(20)} == {"good"}
    good.health_status = 500
    eventually(lambda: alb.health(group)[good.address][0] == "unhealthy", "unhealthy")
    assert {alb.get().json()["target"] for _ in range(40)} == {"good", "bad"}


def test_a_changed_health_check_applies_without_a_failed_request(alb: Alb, made: World) -> None:
    group = alb.group("changing")
    alb.listener(group)
    target = made.target("changing")
    alb.register(group, target)
    alb.await_healthy(group, target)
    failures = Traffic(alb).run_while(
        lambda: [
            alb.elb.modify_target_group(TargetGroupArn=group, HealthCheckPath=f"/{n}")
            for n in range(10)
        ]
    )
    assert failures == []
    eventually(lambda: target.last_probe_path == "/9", "the new path is probed")


class Traffic:
    """Several clients that ask all the time."""

    def __init__(self, alb: Alb, clients: int = 4) -> None:
        self._url = alb.url()
        self._clients = clients
        self._over = threading.Event()
        self.answers: list[str] = []

    def _ask(self) -> list[str]:
        failures = []
        with requests.Session() as session:
            session.trust_env = False
            while not self._over.is_set():
                try:
                    answer = session.get(self._url, timeout=10)
                    self.answers.append(answer.headers.get("x-target", ""))
                    if answer.status_code != 200:
                        failures.append(f"{answer.status_code} {answer.text}")
                except requests.RequestException as error:
                    failures.append(repr(error))
        return failures

    def run_while(self, work: object) -> list[str]:
        """Return the failures met while `work()` ran."""
        assert callable(work)
        with ThreadPoolExecutor(self._clients) as pool:
            asking = [pool.submit(self._ask) for _ in range(self._clients)]
            try:
                work()
            finally:
                self._over.set()
            return [failure for each in asking for failure in each.result()]


def test_rolling_replacements_lose_no_request(alb: Alb, made: World) -> None:
    group = alb.group("rolling")
    alb.elb.modify_target_group_attributes(
        TargetGroupArn=group,
        Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "50"}],
    )
    alb.listener(group)
    current = made.target("0", delay_s=0.2)
    alb.register(group, current)
    alb.await_healthy(group, current)
    traffic = Traffic(alb)

    def roll() -> None:
        nonlocal current
        for number in range(1, 6):
            new = made.target(str(number), delay_s=0.2)
            alb.register(group, new)
            alb.await_healthy(group, new)
            old_target = [{"Id": current.address, "Port": current.port}]
            alb.elb.deregister_targets(TargetGroupArn=group, Targets=old_target)
            assert alb.health(group)[current.address] == (
                "draining",
                "Target.DeregistrationInProgress",
                "Target deregistration is in progress",
            )
            alb.elb.get_waiter("target_deregistered").wait(
                TargetGroupArn=group,
                Targets=old_target,
                WaiterConfig={"Delay": 0.05, "MaxAttempts": 2400},
            )
            current.stop()
            current = new

    assert traffic.run_while(roll) == []
    assert len(traffic.answers) > 50
    assert set(traffic.answers) == {str(number) for number in range(6)}


def test_a_draining_target_gets_no_new_request_and_ends_its_old_ones(alb: Alb, made: World) -> None:
    group = alb.group("drain")
    alb.listener(group)
    target = made.target("drain", delay_s=1)
    alb.register(group, target)
    alb.await_healthy(group, target)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(alb.get)
        eventually(lambda: target.requests == 1, "the request is in flight")
        alb.elb.deregister_targets(TargetGroupArn=group, Targets=[{"Id": target.address}])
        assert alb.get().status_code == 503
        assert slow.result().status_code == 200
    assert target.requests == 1
    assert alb.health(group)[target.address][0] == "draining"
    alb.register(group, target)
    alb.await_healthy(group, target)
    assert alb.get().status_code == 200


def test_ecs_sees_what_the_api_says_and_can_repeat_itself(alb: Alb, made: World) -> None:
    registrar = made.plane.registrar
    group = alb.group("ecs")
    assert registrar.target_group("arn:none") is None
    info = registrar.target_group(group)
    assert info is not None
    assert info.load_balancer_arns == ()
    alb.listener(group)
    info = registrar.target_group(group)
    assert info is not None
    assert info.load_balancer_arns == (alb.arn,)
    served = made.target("ecs")
    # The address that AWS would show is not the one that serves.
    task = PortTarget(id="10.0.1.17", port=5000, address=served.address, real_port=served.port)
    registrar.register(group, task)
    key = ("10.0.1.17", 5000)
    eventually(lambda: registrar.health(group)[key].state == "healthy", "healthy")
    registrar.register(group, task)
    assert registrar.health(group)[key].state == "healthy"
    assert alb.health(group)["10.0.1.17"][0] == "healthy"
    assert alb.get().json()["target"] == "ecs"
    registrar.deregister(group, *key)
    registrar.deregister(group, *key)
    registrar.deregister(group, "10.9.9.9", 1)
    assert registrar.health(group)[key].state == "draining"
    eventually(lambda: key not in registrar.health(group), "drained")


def test_a_task_that_listens_late_does_not_wait_for_the_next_interval() -> None:
    with world(time_scale=1) as unhurried:
        alb = Alb(unhurried, "late")
        group = alb.group("late", HealthCheckIntervalSeconds=300)
        alb.listener(group)
        target = unhurried.target("late")
        target.stop()
        alb.register(group, target)
        assert alb.health(group)[target.address][:2] == ("initial", "Elb.RegistrationInProgress")
        time.sleep(0.5)  # a start that takes its time
        target.start()
        alb.await_healthy(group, target)  # for less than the 300 s
