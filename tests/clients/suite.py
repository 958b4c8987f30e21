"""Runs the cases of all clients against the real server, over plain HTTP and over TLS: one server each.

Cases share the server of their half; each has buckets of its own. See harness.py, and cases/ for one file a client.
"""

import argparse
import pathlib
import tempfile
import time
import traceback

import cases
import harness
from harness import support


def server_of(half, path, scratch):
    """A started server for that half, and what its clients must trust."""
    options, ca = ["--domain", harness.DOMAIN], None
    if half == "tls":
        certs_dir, ca = support.make_certificates(scratch / "tls")
        options += ["--certs-dir", certs_dir]
    environment = {"STAVE_KMS_SECRET_KEY": f"{harness.KMS_KEY}:{harness.KMS_SECRET}"}
    server = support.Server(path, scratch / "data", environment=environment, options=options, ca=ca)
    server.wait_until_ready()
    wanted = "https://" if half == "tls" else "http://"
    if not server.endpoint.startswith(wanted):
        raise SystemExit(f"the server says {server.endpoint}, {wanted} was wanted")
    return server


def run_case(half, function, world):
    """Runs one case; returns ok, SKIPPED or FAILED."""
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
    print(f"{half} {function.client}: {function.__name__} ... {outcome}{why} ({seconds:.1f} s)", flush=True)
    return outcome


def run_half(half, path, chosen, files):
    """Runs the cases against a fresh server; returns their outcomes."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"stave-clients-{half}-") as scratch:
        scratch = pathlib.Path(scratch)
        world = harness.World(server_of(half, path, scratch), scratch, files)
        try:
            outcomes = [run_case(half, function, world) for function in chosen if half in function.halves]
            world.server.stop()
        finally:
            if world.server.process.poll() is None:
                world.server.kill()
    print(f"=== {half}: {len(outcomes)} cases in {time.monotonic() - began:.0f} s", flush=True)
    return outcomes


def main():
    parser = argparse.ArgumentParser(description="every S3 client against a freshly started server")
    parser.add_argument("--files", type=int, default=10_000, help="files of the largest tree; a tenth of it over TLS")
    parser.add_argument("--only", default="", help="run only the clients or cases whose name contains this")
    parser.add_argument("--plain", action="store_true", help="only over plain HTTP")
    parser.add_argument("--tls", action="store_true", help="only over TLS")
    options = parser.parse_args()
    cases.load()
    chosen = [case for case in harness.CASES if options.only in f"{case.client}: {case.__name__}"]
    path, outcomes = support.binary(), []
    if options.plain or not options.tls:
        outcomes += run_half("plain", path, chosen, options.files)
    if options.tls or not options.plain:
        outcomes += run_half("tls", path, chosen, max(1, options.files // 10))
    counts = [outcomes.count(outcome) for outcome in ("ok", "FAILED", "SKIPPED")]
    print("{} passed, {} failed, {} skipped".format(*counts))
    raise SystemExit(counts[1] > 0 or counts[0] == 0)


if __name__ == "__main__":
    main()
