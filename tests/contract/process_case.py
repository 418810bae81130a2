"""`ProcessRuntime` on a fresh state directory, for the contract of container runtimes."""

import sys
from pathlib import Path

from own_images import HOST, make_image, make_plane, push
from runtime_cases import Behaviour

from sandbox.aws.runtime.port import ContainerRuntime, ContainerSpec
from sandbox.aws.runtime.process import ProcessRuntime

PROGRAM = """
import os, signal, socket, sys, time
prints, exit_code, stubborn, port = eval(os.environ["BEHAVIOUR"])
if stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
for line in prints:
    print(line, flush=True)
if exit_code is not None:
    sys.exit(exit_code)
if port:
    server = socket.create_server(("0.0.0.0", port))
    while True:
        server.accept()[0].close()
signal.pause()
while True:
    signal.pause()
"""


def facts(behaviour: Behaviour) -> str:
    """Return what the program reads from its environment."""
    b = behaviour
    return repr((b.prints, b.exit_code, b.ignores_sigterm, b.port))


class ProcessCase:
    really_listens = True

    def __init__(self, state: Path) -> None:
        self._root = state / "runtime"
        self._plane = make_plane(state / "ecr")
        self._image = push(self._plane, "app", make_image(state / "image"))
        self.runtime: ContainerRuntime = self.reopen()

    def container(self, name: str, behaviour: Behaviour) -> ContainerSpec:
        port = behaviour.port
        program = sys.executable if behaviour.startable else "/no/such/program"
        return ContainerSpec(
            name=name,
            image=self._image,
            command=(program, "-c", PROGRAM),
            environment={"BEHAVIOUR": facts(behaviour), "PYTHONUTF8": "1"},
            container_ports=(port,) if port else (),
        )

    def missing_image(self) -> str:
        return f"{HOST}/app:missing"

    def reopen(self) -> ContainerRuntime:
        self.runtime = ProcessRuntime(root=self._root, images=self._plane.images)
        return self.runtime

    def close(self) -> None:
        for task in self.runtime.observe():
            self.runtime.remove_task(task.task_arn)
        self.runtime.close()
