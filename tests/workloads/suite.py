"""Runs whole workloads against the real server: backups, databases, tables, locks, mounts, a registry.

Each half (plain HTTP, TLS) has a server of its own, which is started only when a chosen case wants it. Cases share it
and have buckets of their own. What is compared, and how the server is started, comes from tests/clients/harness.py.
"""

import argparse
import pathlib
import sys
import tempfile
import time
import traceback

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "clients"))

import cases
import harness
from harness import support

HALVES = ("plain", "tls")


def server_of(half, path, scratch, disks):
    """A started server for that half."""
    options, ca = [], None
    if half == "tls":
        certs_dir, ca = support.make_certificates(scratch / "tls")
        options = ["--certs-dir", certs_dir]
    directories = [scratch / f"data{number}" for number in range(1, disks + 1)]
    return support.Server(path, directories, options=options, ca=ca).wait_until_ready()


def run_case(half, function, world):
    """Runs one case; returns ok, SKIPPED or FAILED, and the line that tells it."""
    began, outcome, why = time.monotonic(), "ok", ""
    try:
        before = world.server_errors()
        function(world)
        world.want_no_new_errors(before, getattr(function, "allowed", ()))
    except harness.Skipped as reason:
        outcome, why = "SKIPPED", f": {reason}"
    except Exception:
        outcome = "FAILED"
        traceback.print_exc()
        print(f"--- end of the server's log\n{world.server.tail(40)}---")
    seconds = time.monotonic() - began
    line = f"{half} {function.client}: {function.__name__} ... {outcome}{why} ({seconds:.1f} s)"
    print(line, flush=True)
    return outcome, line


def run_half(half, path, chosen, disks):
    """Runs the cases against a fresh server; returns their outcomes and lines."""
    with tempfile.TemporaryDirectory(prefix=f"stave-workloads-{half}-") as scratch:
        scratch = pathlib.Path(scratch)
        world = harness.World(server_of(half, path, scratch, disks), scratch, files=0)
        try:
            results = [run_case(half, function, world) for function in chosen]
            world.server.stop()
        finally:
            if world.server.process.poll() is None:
                world.server.kill()
    return results


def options_of_command():
    parser = argparse.ArgumentParser(description="real workloads against a freshly started server")
    parser.add_argument("--only", default="", help="run only the workloads or cases whose name contains this")
    parser.add_argument("--disks", type=int, default=1, help="directories of the server")
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    return parser.parse_args()


def main():
    options, began = options_of_command(), time.monotonic()
    cases.load()
    chosen = [case for case in harness.CASES if options.only in f"{case.client}: {case.__name__}"]
    if options.list:
        print("\n".join(f"{case.client}: {case.__name__} ({', '.join(case.halves)})" for case in chosen))
        return
    path, results = support.binary(), []
    for half in HALVES:
        if wanted := [case for case in chosen if half in case.halves]:
            results += run_half(half, path, wanted, options.disks)
    for outcome, line in results:
        if outcome != "ok":
            print(line)
    counts = [sum(outcome == wanted for outcome, _ in results) for wanted in ("ok", "FAILED", "SKIPPED")]
    print(f"=== workloads: {time.monotonic() - began:.0f} s")
    print("{} passed, {} failed, {} skipped".format(*counts))
    raise SystemExit(counts[1] > 0 or counts[0] == 0)


if __name__ == "__main__":
    main()
