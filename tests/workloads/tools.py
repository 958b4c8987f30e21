"""What workloads share beyond the harness of the clients: programs, processes, deadlines, races, counters.

- T1: every process that is started here is ended here, by its own handle.
- T2: nothing waits longer than `SECONDS_MAX`; a wait is a poll with a deadline, never a sleep alone.
"""

import contextlib
import multiprocessing
import os
import re
import shutil
import subprocess
import threading
import time

from harness import support

SECONDS_MAX = support.ANSWER_SECONDS_MAX
POLL_SECONDS = 0.05


def program(name, package=None):
    """Path of a program that Debian has. Its absence is a failure: a workload nobody runs proves nothing."""
    if path := shutil.which(name):
        return path
    raise AssertionError(f"{name} is not here: apt-get install {package or name}")


def keys(world):
    """The server's keys, in the names of the environment that most programs know."""
    return {"AWS_ACCESS_KEY_ID": world.server.access_key, "AWS_SECRET_ACCESS_KEY": world.server.secret_key}


def host_and_port(world):
    """The server's host and port, apart."""
    host, _, port = world.server.host.partition(":")
    return host, port


def restart(world):
    """Stops the server as an operator does and starts it on the same disks; the endpoint changes."""
    old = world.server
    old.stop()
    new = support.Server(old.path, old.directories, options=old.options, ca=old.ca).wait_until_ready()
    world.__init__(new, world.scratch, world.files)


def counter(world, name, label=""):
    """Sum of a counter of the server over all its labels, or over those with that text in them."""
    _, _, body = world.fetch(f"{world.server.endpoint}/metrics")
    labels = rf"\{{[^}}]*{re.escape(label)}[^}}]*\}}" if label else r"(?:\{[^}]*\})?"
    found = re.findall(rf"^{name}{labels} (\d+)$", body.decode(), re.MULTILINE)
    return sum(map(int, found))


def poll(wanted, function):
    """Calls until it returns something true, and returns that; `wanted` names what never came."""
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        if found := function():
            return found
        time.sleep(POLL_SECONDS)
    raise AssertionError(f"{wanted}: not within {SECONDS_MAX} s")


@contextlib.contextmanager
def running(command, log, environment=None):
    """A process that runs while the block does; SIGTERM ends it. `log` takes what it says."""
    with open(log, "ab") as said:
        command = [str(part) for part in command]
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        yield process
    finally:
        end(process)


def end(process):
    """Ends it, with force when it will not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def race(count, function, *arguments):
    """Runs `function(number, barrier, *arguments)` in so many processes at once; returns what each returned."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(count, timeout=SECONDS_MAX)
    # Leaving the block ends what still runs.
    with context.Pool(count, initializer=take_barrier, initargs=(barrier,)) as pool:
        racers = [pool.apply_async(run_racer, (function, number, arguments)) for number in range(count)]
        outcomes = [outcome_of(racer) for racer in racers]
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    # A racer that fails breaks the barrier of the others: their complaint is not the reason.
    for failure in sorted(failures, key=lambda failure: isinstance(failure, threading.BrokenBarrierError)):
        raise failure
    return outcomes


def take_barrier(barrier):
    global BARRIER
    BARRIER = barrier


def run_racer(function, number, arguments):
    """All begin together: each of the processes holds exactly one racer."""
    try:
        BARRIER.wait()
        return function(number, BARRIER, *arguments)
    except BaseException:
        BARRIER.abort()
        raise


def outcome_of(racer):
    try:
        return racer.get(2 * SECONDS_MAX)
    except multiprocessing.TimeoutError:
        return AssertionError(f"a racer did not end within {2 * SECONDS_MAX} s")
    except Exception as failure:
        return failure


def fuse_is_missing():
    """Why nothing can be mounted here, or an empty text."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "no FUSE here: no /dev/fuse"
    return "" if shutil.which("fusermount") else "no FUSE here: no fusermount (apt-get install fuse3)"
