"""The process beside each container: starts it, keeps its log, probes it, reports its end.

It outlives the gateway, as containerd's shim outlives containerd, and meets it in the
container's folder only:

    launch.json   in   argv, env, cwd, health
    shim.json     out  who runs this container: pid and identity; its existence is the claim
    status.json   out  state, pid, exit code, times, health
    output.log    out  "<ms> <line>" for each line of stdout and stderr
    stop          in   seconds before SIGKILL; read when SIGTERM comes

Run as `python -I -S -E shim.py FOLDER READY_FD`; it imports the standard library alone, and
little of that, because there is one for each container.
"""

# pathlib alone would add a tenth to the size of every shim.
# ruff: noqa: PTH105, PTH108, PTH112, PTH123
import contextlib
import json
import os
import select
import signal
import sys
import time

_LINE_BYTES = 16 * 1024
_DRAIN_S = 1.0


def process_identity(pid: int) -> str:
    """Return what tells this process from a later one with the same pid; empty if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
    except OSError:
        return _portable_identity(pid)
    return "" if fields[0] == "Z" else f"{boot}:{fields[19]}"


def _portable_identity(pid: int) -> str:
    """Without /proc a pid is trusted while something has it. Unverified on macOS."""
    if os.path.isdir("/proc/self"):
        return ""
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return "alive"


def write_json(path: str, value: object) -> None:
    """Replace the file at `path` in one step."""
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(temporary, path)


class HealthTracker:
    """Counts probes as ECS does: the first success is HEALTHY, `retries` failures are not.

    Failures in the start period do not count until a first success.
    Source: ECS API Reference, HealthCheck.
    """

    def __init__(self, *, retries: int, start_period_s: float) -> None:
        self.verdict = "UNKNOWN"
        self._retries = retries
        self._start_period_s = start_period_s
        self._failures = 0

    def record(self, passed: bool, age_s: float) -> None:  # noqa: FBT001
        """Take in one probe's result, `age_s` after the container's start."""
        if passed:
            self.verdict, self._failures = "HEALTHY", 0
            return
        if self.verdict == "UNKNOWN" and age_s < self._start_period_s:
            return
        self._failures += 1
        if self._failures >= self._retries:
            self.verdict = "UNHEALTHY"


class Shim:
    """One container's life, single-threaded: everything happens in `run`'s loop."""

    def __init__(self, folder: str, ready_fd: int) -> None:
        self._folder = folder
        self._ready_fd = ready_fd
        with open(f"{folder}/launch.json", encoding="utf-8") as file:
            self._launch = json.load(file)
        self._status: dict[str, object] = {"state": "RUNNING", "health": "UNKNOWN"}
        self._pid = 0
        self._output = -1
        self._partial = b""
        self._started = 0.0
        self._ended_at = 0.0
        self._kill_at = 0.0
        self._stop_asked = False
        self._probe_pid = 0
        self._probe_until = 0.0
        self._next_probe = 0.0
        health = self._launch.get("health")
        self._health = health and HealthTracker(
            retries=health["retries"], start_period_s=health["start_period_s"]
        )

    def run(self) -> None:
        """Start the container and stay until it has ended and its output is written."""
        wake = self._catch_signals()
        self._log = open(f"{self._folder}/output.log", "ab", buffering=0)  # noqa: SIM115
        if not self._start():
            return
        while not self._is_over():
            readable = [wake] if self._output < 0 else [wake, self._output]
            ready = select.select(readable, [], [], self._wait_s())[0]
            if wake in ready:
                os.read(wake, 4096)
            if self._output in ready:
                self._read_output()
            self._reap()
            self._act(time.monotonic())
        self._flush()
        self._report(state="STOPPED", finished_at=self._ended_at)

    def _catch_signals(self) -> int:
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._ask_stop)
        for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(ignored, signal.SIG_IGN)
        return read_end

    def _ask_stop(self, *_: object) -> None:
        self._stop_asked = True

    def _start(self) -> bool:
        read_end, write_end = os.pipe()
        try:
            self._pid = spawn(self._launch, output=write_end)
        except OSError as error:
            reason = f"exec: {json.dumps(self._launch['argv'][0])}: {error.strerror}"
            self._report(state="FAILED", reason=reason)
            os.close(self._ready_fd)
            return False
        os.close(write_end)
        self._output = read_end
        self._started = time.monotonic()
        if self._health:
            self._next_probe = self._started + self._launch["health"]["interval_s"]
        identity = process_identity(self._pid)
        self._report(pid=self._pid, identity=identity, started_at=time.time())
        os.close(self._ready_fd)
        return True

    def _is_over(self) -> bool:
        if not self._ended_at:
            return False
        # A process that left the group may hold the pipe for ever; its output is not awaited.
        return self._output < 0 or time.time() > self._ended_at + _DRAIN_S

    def _wait_s(self) -> float | None:
        now = time.monotonic()
        times = [t for t in (self._kill_at, self._next_probe, self._probe_until) if t]
        if self._ended_at:
            times.append(now + 0.05)
        return max(0.0, min(times) - now) if times else None

    def _read_output(self) -> None:
        chunk = os.read(self._output, 65536)
        if not chunk:
            os.close(self._output)
            self._output = -1
            return
        *lines, rest = (self._partial + chunk).split(b"\n")
        *cut, self._partial = _pieces(rest)
        self._write_lines([piece for line in lines for piece in _pieces(line)] + cut)

    def _flush(self) -> None:
        if self._partial:
            self._write_lines([self._partial])
            self._partial = b""

    def _write_lines(self, lines: list[bytes]) -> None:
        stamp = b"%d " % int(time.time() * 1000)
        if lines:
            self._log.write(b"".join(stamp + line.rstrip(b"\r") + b"\n" for line in lines))

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            if pid == self._probe_pid:
                self._end_probe(passed=code == 0)
            elif pid == self._pid:
                self._end(code if code >= 0 else 128 - code)

    def _end(self, exit_code: int) -> None:
        self._ended_at = time.time()
        self._kill_at = self._next_probe = self._probe_until = 0.0
        # As in a container, nothing outlives its first process.
        kill_group(self._pid, signal.SIGKILL)
        if self._probe_pid:
            kill_group(self._probe_pid, signal.SIGKILL)
        self._status["exit_code"] = exit_code

    def _act(self, now: float) -> None:
        if self._ended_at:
            return
        if self._stop_asked:
            self._stop_asked = False
            kill_group(self._pid, signal.SIGTERM)
            self._kill_at = self._kill_at or now + self._stop_timeout_s()
        if self._kill_at and now >= self._kill_at:
            kill_group(self._pid, signal.SIGKILL)
            self._kill_at = now + 1.0
        if self._probe_until and now >= self._probe_until:
            kill_group(self._probe_pid, signal.SIGKILL)
            self._probe_until = now + 1.0
        if self._next_probe and now >= self._next_probe:
            self._start_probe(now)

    def _stop_timeout_s(self) -> float:
        try:
            with open(f"{self._folder}/stop", encoding="ascii") as file:
                return float(file.read())
        except (OSError, ValueError):
            return 30.0

    def _start_probe(self, now: float) -> None:
        health = self._launch["health"]
        self._next_probe = 0.0
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            self._probe_pid = spawn({**self._launch, "argv": health["argv"]}, output=null)
            self._probe_until = now + health["timeout_s"]
        except OSError:
            self._end_probe(passed=False)
        finally:
            os.close(null)

    def _end_probe(self, *, passed: bool) -> None:
        now = time.monotonic()
        self._probe_pid, self._probe_until = 0, 0.0
        if self._ended_at or not self._health:
            return
        self._next_probe = now + self._launch["health"]["interval_s"]
        self._health.record(passed, now - self._started)
        if self._health.verdict != self._status["health"]:
            self._report(health=self._health.verdict)

    def _report(self, **changes: object) -> None:
        self._status.update(changes)
        write_json(f"{self._folder}/status.json", self._status)


def _pieces(line: bytes) -> list[bytes]:
    """Cut a line as the awslogs driver does, so that no one line fills the memory."""
    cuts = range(0, max(len(line), 1), _LINE_BYTES)
    return [line[start : start + _LINE_BYTES] for start in cuts]


def spawn(launch: dict[str, object], *, output: int) -> int:
    """Start `argv` as the leader of its own session and return its pid.

    Raises:
        OSError: the program cannot be executed, as the new process saw it.

    """
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(launch, output, write_end)
    os.close(write_end)
    failure = os.read(read_end, 32)
    os.close(read_end)
    if failure:
        os.waitpid(pid, 0)
        number = int(failure)
        raise OSError(number, os.strerror(number))
    return pid


def _become(launch: dict[str, object], output: int, failure: int) -> None:
    """Turn this forked process into the program; it never returns."""
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(str(launch["cwd"]))
        argv, env = launch["argv"], launch["env"]
        os.execvpe(argv[0], argv, env)  # type: ignore[index, arg-type]  # noqa: S606
    except OSError as error:
        os.write(failure, str(error.errno).encode())
    finally:
        os._exit(127)


def kill_group(leader: int, number: int) -> None:
    """Signal a process group; one that is gone is a no-op."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def claim(folder: str) -> bool:
    """Take the container for this process; False when another shim has it already."""
    me = os.getpid()
    temporary = f"{folder}/shim.json.{me}.tmp"
    write_json(temporary, {"pid": me, "identity": process_identity(me)})
    try:
        os.link(temporary, f"{folder}/shim.json")
    except FileExistsError:
        return False
    finally:
        os.unlink(temporary)
    return True


def main() -> None:
    """Detach from the caller, then run the container of the folder in argv[1]."""
    folder, ready_fd = sys.argv[1], int(sys.argv[2])
    if os.fork():
        # The caller reaps this process at once and never owns the shim.
        os._exit(0)
    os.setsid()
    os.set_inheritable(ready_fd, False)  # noqa: FBT003  -- its only spelling
    if claim(folder):
        Shim(folder, ready_fd).run()


if __name__ == "__main__":
    main()
