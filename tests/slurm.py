"""A real Slurm on this machine, for as long as a test needs it: one node, no cgroups, no accounting database.

Debian's daemons (munged, slurmctld, slurmd) run in the foreground as children of this process, with a configuration
and state of their own; the kernel ends them with their parent, however that ends. What the node has is bookkeeping:
Slurm shares out more processors and memory than there are, and devices that are not there.
"""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
PACKAGES = ("munge", "slurmctld", "slurmd", "slurm-client")
# The jobs' own srun finds its configuration only here: the Slurm plugin takes SLURM_CONF out of their environment.
CONFIGURATION = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf")
MARK = "# written by tests/slurm.py\n"
SEARCH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])

Job = dict[str, str]


def why_not() -> str:
    """Why no cluster can be started here; empty where one can."""
    if os.geteuid() != 0:
        return "slurmd runs jobs as their users, which takes root"
    for file in (CONFIGURATION / name for name in FILES):
        if file.exists() and MARK not in file.read_text():
            return f"{file} belongs to a cluster of this machine's own"
    missing = [name for name in DAEMONS if shutil.which(name, path=SEARCH) is None]
    if missing and not (os.environ.get("CI") and shutil.which("apt-get")):
        return f"{', '.join(missing)} not installed (apt-get install {' '.join(PACKAGES)}; with CI=1 the tests do it)"
    return ""


def install() -> None:
    """Install what is missing of Slurm, without letting the packages start anything."""
    if all(shutil.which(name, path=SEARCH) for name in DAEMONS):
        return
    policy = Path("/usr/sbin/policy-rc.d")
    forbidding = not policy.exists()
    if forbidding:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        call("apt-get", "update", "-qq", seconds=180)
        call("apt-get", "install", "-qq", "--yes", "--no-install-recommends", *PACKAGES, seconds=300)
    finally:
        if forbidding:
            policy.unlink()


def call(*command: str, seconds: float = 20) -> str:
    """What a command prints; CalledProcessError where it fails, killed where it takes longer."""
    environment = os.environ | {"PATH": SEARCH, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False, env=environment)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def wait_until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.2)


@dataclass
class Slurm:
    """A cluster of one node, with `state` as the folder of all it writes."""

    state: Path
    processors: int = 16
    memory_mb: int = 64000
    devices: tuple[str, ...] = ("gpu", "npu")  # one each
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        self._configure()
        socket_file = self.state / "munge.socket"
        key = self.state / "munge.key"
        self._daemon(
            "munged",
            *("--foreground", "--force", "--num-threads=2", f"--key-file={key}", f"--socket={socket_file}"),
            *(f"--pid-file={self.state / 'munged.pid'}", f"--log-file={self.state / 'munged.log'}"),
            f"--seed-file={self.state / 'munge.seed'}",
        )
        wait_until(socket_file.exists, "munged", 20)
        self._daemon("slurmctld", "-D", "-i")
        wait_until(lambda: "UP" in self._asked("scontrol", "ping"), "slurmctld", 60)
        self._daemon("slurmd", "-D")
        wait_until(lambda: "idle" in self._asked("sinfo", "--noheader", "--format=%T"), "the node", 60)

    def stop(self) -> None:
        """End every job and every daemon."""
        if "UP" in self._asked("scontrol", "ping"):
            self._asked("scancel", "--user=root")
            end = time.monotonic() + 20
            while self._asked("squeue", "--noheader").strip() and time.monotonic() < end:
                time.sleep(0.2)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.daemons.clear()
        for name in FILES:
            (CONFIGURATION / name).unlink(missing_ok=True)

    def jobs(self, folder: Path) -> list[Job]:
        """The jobs of the last ten minutes that were submitted in a folder as `scontrol show job` has them."""
        lines = call("scontrol", "--oneliner", "--all", "show", "job").splitlines()
        found = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines if line.startswith("JobId=")]
        mine = [job for job in found if job["WorkDir"] == str(folder)]
        return sorted(mine, key=lambda job: int(job["JobId"]))

    def _asked(self, *command: str) -> str:
        try:
            return call(*command)
        except (AssertionError, subprocess.TimeoutExpired):
            return ""

    def _daemon(self, name: str, *arguments: str) -> None:
        binary = shutil.which(name, path=SEARCH)
        assert binary is not None
        command = ["setpriv", "--pdeathsig", "KILL", binary, *arguments]
        environment = os.environ | {"PATH": SEARCH}
        with (self.state / f"{name}.out").open("wb") as log:
            self.daemons.append(
                subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
            )

    def _configure(self) -> None:
        self.state.mkdir(parents=True)
        (self.state / "munge.key").write_bytes(os.urandom(1024))
        (self.state / "munge.key").chmod(0o400)
        node, ports = socket.gethostname().partition(".")[0], free_ports(2)
        devices = ",".join(f"{name}:1" for name in self.devices)
        (self.state / "slurm.conf").write_text(f"""\
{MARK}ClusterName=test
SlurmctldHost={node}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={self.state}/munge.socket
StateSaveLocation={self.state}/slurmctld
SlurmdSpoolDir={self.state}/slurmd
SlurmctldPidFile={self.state}/slurmctld.pid
SlurmdPidFile={self.state}/slurmd.pid
SlurmctldLogFile={self.state}/slurmctld.log
SlurmdLogFile={self.state}/slurmd.log
# Neither systemd nor cgroups: memory is watched by sampling.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
JobAcctGatherParams=OverMemoryKill,UsePss
AccountingStorageType=accounting_storage/none
MpiDefault=none
# The processors and memory of the node are what is written here.
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=0,batch_sched_delay=0
# How long squeue and scontrol remember a finished job.
MinJobAge=600
KillWait=2
ReturnToService=2
GresTypes={",".join(self.devices)}
NodeName={node} NodeAddr=127.0.0.1 CPUs={self.processors} RealMemory={self.memory_mb} Gres={devices} State=UNKNOWN
PartitionName=main Nodes={node} Default=YES MaxTime=INFINITE State=UP
PartitionName=spare Nodes={node} MaxTime=INFINITE State=UP
PartitionName=other Nodes={node} MaxTime=INFINITE State=UP
""")
        # A gpu needs a device file, whichever; anything else is happy as a count.
        lines = [
            f"NodeName={node} Name={name} {'File=/dev/null' if name == 'gpu' else 'Count=1'}" for name in self.devices
        ]
        (self.state / "gres.conf").write_text(MARK + "\n".join(lines) + "\n")
        CONFIGURATION.mkdir(exist_ok=True)
        for name in FILES:
            (CONFIGURATION / name).unlink(missing_ok=True)
            (CONFIGURATION / name).symlink_to(self.state / name)


def free_ports(count: int) -> list[int]:
    """Port numbers that nobody listens on now."""
    with_port = [socket.socket() for _ in range(count)]
    for each in with_port:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in with_port]
    for each in with_port:
        each.close()
    return ports
