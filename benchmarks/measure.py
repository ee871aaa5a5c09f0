# SPDX-License-Identifier: MIT
"""What `run` and `compare` share: programs, pinning, quietness, the header, and parsing of rows.

A Run is one process (or one server under load) to be measured once. Its result is a dictionary: row name ->
{unit: value}, where a server's row is named after the subject, such as echo64.
"""

import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LOADRUN = os.path.join(HERE, "load", "loadrun")
LAST_CPU = max(os.sched_getaffinity(0))

# Row -> our program and the subject that all sides call it by.
MICRO = {
    "Switch": ("bench_switch", ""),  # and SwitchCall, SwitchFresh
    "Yield": ("bench_yield", "yield"),
    "Yield1000": ("bench_yield", "yield1000"),
    "SpawnBatch": ("bench_spawn", "spawn_batch"),
    "SpawnMillionCold": ("bench_spawn", "spawn_million"),
    "SpawnMillionAgain": ("bench_spawn", "spawn_million"),
    "PingPong": ("bench_pingpong", "pingpong"),
    "Chan128": ("bench_chan", "chan128"),
    "Chan8x8": ("bench_chan", "chan8x8"),
    "Mutex8": ("bench_mutex", "mutex8"),
    "Mutex": ("bench_sync", "mutex"),
    "RWMutexRead8": ("bench_sync", "rwmutex_read8"),
    "WaitGroup": ("bench_sync", "waitgroup"),
    "WaitGroup8": ("bench_sync", "waitgroup8"),
    "SelectReady2": ("bench_select", "select_ready2"),
    "SelectReady8": ("bench_select", "select_ready8"),
    "SelectOne2": ("bench_select", "select_one2"),
    "SelectOne8": ("bench_select", "select_one8"),
    "SelectBlocked2": ("bench_select", "select_blocked2"),
    "SelectBlocked8": ("bench_select", "select_blocked8"),
    "ContextTree": ("bench_context", "context_tree"),
    "ContextCancel": ("bench_context", "context_cancel"),
    "TimerNew": ("bench_timer", "timer_new"),
    "TimerFunc": ("bench_timer", "timer_func"),
    "TimerReset": ("bench_timer", "timer_reset"),
    "DeferNone": ("bench_defer", "defer_none"),
    "Defer": ("bench_defer", "defer"),
    "Defer3": ("bench_defer", "defer3"),
    "PanicRecover": ("bench_defer", "panic"),
    "PanicRecover10": ("bench_defer", "panic10"),
    "Sleep100k": ("bench_sleep", "sleep100k"),
    "ParkMillion": ("bench_memory", "park_million"),
    "Skynet": ("bench_skynet", "skynet"),
    "Sieve": ("bench_sieve", "sieve"),
    "PreemptOverhead": ("bench_preempt", "preempt_overhead"),
    "PreemptReaders": ("bench_preempt", "preempt_readers"),
    "PreemptShare": ("bench_preempt", "preempt_share"),
    "PreemptLatency": ("bench_preempt", "preempt_latency"),
    "PreemptIdle": ("bench_preempt", "preempt_idle"),
    "ReadyLatency": ("bench_latency", "ready_latency"),
    "ReadyLatencyQuiet": ("bench_latency", "ready_latency_quiet"),
}

# Row -> loadrun's options.
LOADS = {
    "echo64": ["-k", "echo", "-c", "64"],
    "echo1000": ["-k", "echo", "-c", "1000"],
    "http64": ["-k", "http", "-c", "64"],
    "http64x16": ["-k", "http", "-c", "64", "-P", "16"],
    # Four goroutines that compute for ever in the server's process; on one processor, and on two.
    "echo64hogs": ["-k", "echo", "-c", "64", "-w", "0.5"],
    "echo64hogs2": ["-k", "echo", "-c", "64", "-w", "0.5", "-S", "0,1"],
    "http64hogs": ["-k", "http", "-c", "64"],
    "http64hogs2": ["-k", "http", "-c", "64", "-S", "0,1"],
}

# A spin of SPIN seconds may lose this share of a CPU to the host or to other processes before a measurement.
SPIN, MAX_LOSS, PATIENCE = 0.2, 0.04, 20.0


class Places:
    """Where the programs are: our build folder and the peers'."""

    def __init__(self, build, peers):
        self.build = os.path.abspath(build or self.guess())
        self.peers = os.path.abspath(peers or os.path.join(self.build, "benchmarks", "peers", "build"))

    @staticmethod
    def guess():
        for folder in (".", os.path.dirname(HERE)):
            if os.path.exists(os.path.join(folder, "benchmarks", "bench_yield")):
                return folder
        sys.exit("no benchmarks/bench_yield here or in the source tree: `make bench`, or name the build folder by -b")

    def ours(self, program):
        return os.path.join(self.build, "benchmarks", program)

    def make_peers(self, *targets):
        """Builds the peers, or some of their programs; what the tools do not allow is skipped by the Makefile."""
        paths = [os.path.join(self.peers, t) for t in targets]
        subprocess.run(["make", "-s", "-C", os.path.join(HERE, "peers"), f"B={self.peers}", *paths],
                       check=True, stdout=sys.stderr)


class Run:
    """One measurement of one side. procs 1 is pinned to the last CPU, more are not pinned."""

    def __init__(self, side, row, procs, places, seconds=4.0):
        self.side, self.row, self.procs = side, row, procs
        self.load = row in LOADS
        if self.load:
            self.subject = row
            # loadrun takes a number of seconds and pins both sides itself.
            self.command = [LOADRUN, *LOADS[row], "-d", str(seconds), "-n", side, "--",
                            *self.server(side, row, places)]
        else:
            program, subject = MICRO[row]
            self.subject = subject or program
            self.command = self.pin() + self.micro(side, program, subject, places)

    def key(self):
        return (self.side, self.subject, self.procs)

    def pin(self):
        return ["taskset", "-c", str(LAST_CPU)] if self.procs == 1 else []

    def cpus(self):
        return sorted(os.sched_getaffinity(0)) if self.load or self.procs > 1 else [LAST_CPU]

    def micro(self, side, program, subject, places):
        name, option = {"goro": (places.ours(program), "-p"), "go": (os.path.join(places.peers, "gobench"), "-procs"),
                        "boost": (os.path.join(places.peers, "boostbench"), "-p")}[side]
        return [name, option, str(self.procs), *([subject] if subject else [])]

    @staticmethod
    def server(side, row, places):
        kind = "echo" if row.startswith("echo") else "http"
        hogs, procs = "4" if "hogs" in row else "0", "2" if row.endswith("hogs2") else "1"
        if side == "goro":
            return ([places.ours("bench_echo"), "-p", procs, "-H", hogs, "{port}"] if kind == "echo" else
                    [os.path.join(places.build, "examples", "httpd", "httpd"), "--procs", procs, "--port", "{port}",
                     *(["--hogs", hogs] if hogs != "0" else [])])
        if side == "go":
            return [os.path.join(places.peers, "gobench"), "-procs", procs, "-hogs", hogs, "-port", "{port}", kind]
        if side == "nginx":
            return [os.path.join(HERE, "load", "nginx_server"), "{port}"]
        return [os.path.join(places.peers, "floor"), "-m", side.partition("-")[2], "-a", kind, "-p", "{port}"]

    def measure(self, places, log, limit=180):
        """Runs it and returns the rows; an empty dictionary, and a line in the log, when it fails."""
        try:
            done = subprocess.run(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                                  timeout=limit, env={**os.environ, "B": places.peers})
        except subprocess.TimeoutExpired:
            log(f"failed: no end after {limit} s")
            return {}
        for line in done.stdout.splitlines():
            log(line)
        if done.returncode:
            log(f"failed: status {done.returncode} {done.stderr.strip().splitlines()[-1:]}")
            return {}
        return parse(done.stdout, self.subject)



def parse(text, subject):
    """Rows of the Go benchmark format, and loadrun's line of key=value pairs."""
    rows = {}
    for line in text.splitlines():
        fields = line.split()
        if line.startswith("Benchmark") and len(fields) >= 4:
            values = zip(fields[3::2], fields[2::2])
            rows[fields[0].removeprefix("Benchmark")] = {unit: float(value) for unit, value in values}
        elif line.startswith("server="):
            rows[subject] = {k: float(v) for k, v in re.findall(r"(\w+)=([0-9.]+)(?= |$)", line)}
    return rows


def loss(cpu):
    """The share of a CPU that a spin on it does not get."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    wall, used = time.perf_counter(), time.thread_time()
    while time.perf_counter() - wall < SPIN:
        pass
    wall, used = time.perf_counter() - wall, time.thread_time() - used
    os.sched_setaffinity(0, before)
    return 1 - used / wall


def wait_for_quiet(cpus):
    """Returns the loss of the noisiest CPU once it is small, or once patience has ended."""
    end = time.monotonic() + PATIENCE
    while True:
        worst = max(loss(cpu) for cpu in cpus)
        if worst <= MAX_LOSS or time.monotonic() > end:
            return worst
        time.sleep(0.5)


def first_line(path, pattern):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                found = re.search(pattern, line)
                if found:
                    return found.group(1).strip()
    except OSError:
        pass
    return "unknown"


def output(*command):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True,
                              cwd=HERE).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def cpu(key):
    return first_line("/proc/cpuinfo", rf"^{key}\s*: (.*)")


def header(places, commit=None):
    """The machine and the build, without names of hosts or folders. commit: what was built, if not this source tree."""
    uname = os.uname()
    built_elsewhere = commit is not None
    commit = commit or output("git", "rev-parse", "--short=12", "HEAD")
    if not built_elsewhere and output("git", "status", "--porcelain", "-uno", "--", "../lib", "../include", "."):
        commit += " and uncommitted changes"
    configure = first_line(os.path.join(places.build, "config.log"), r"^  \$ \S*configure(.*)")
    governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "(.+)")
    return [
        f"date: {time.strftime('%Y-%m-%d', time.gmtime())}",
        f"kernel: {uname.sysname} {uname.release} {uname.machine}",
        f"cpu: {cpu('model name')}, family {cpu('cpu family')}, model {cpu('model')}, {os.cpu_count()} CPUs",
        f"governor: {'none' if governor == 'unknown' else governor}",
        f"smt: {first_line('/sys/devices/system/cpu/smt/control', '(.+)')}",
        f"commit: {commit}",
        f"configure: configure{'' if configure == 'unknown' else ' ' + configure}".rstrip(),
        f"compiler: {output('cc', '--version').splitlines()[0]}",
    ]
