"""Pytest plugin: writes what became of every test, as JSON, to the file that STAVE_CONFORMANCE_OUTCOMES names.

A test passes when its setup and its call do. What fails after a test is the suite's own cleanup at the end of the
session; it is a case of its own, because pytest would charge it to whatever test happens to run last.
"""

import json
import os
import pathlib

CLEANUP = "session::cleanup"
# How pytest-timeout words the failure of a test that it ended.
TIMEOUT = "Failed: Timeout"
outcomes = {}


def name_of(node_id):
    """`a/test_b.py::TestC::test_d` as `test_b::TestC::test_d`."""
    path, _, rest = node_id.partition("::")
    return f"{pathlib.PurePath(path).stem}::{rest}"


def reason_of(report):
    """The last lines of the report, which name the exception."""
    if report.skipped:
        return "skipped"
    lines = [line.strip() for line in str(report.longrepr or "").splitlines() if line.strip()]
    raised = [line for line in lines if "Error" in line or "Exception" in line or TIMEOUT in line]
    return (raised or lines or ["unknown"])[-1][:300]


def entry_of(name):
    return outcomes.setdefault(name, {"passed": True, "timed_out": False, "seconds": 0.0, "reason": ""})


def pytest_runtest_logreport(report):
    entry = entry_of(CLEANUP if report.when == "teardown" else name_of(report.nodeid))
    entry["seconds"] += report.duration
    # A skipped test has shown nothing: it counts as failed, and the list must say why.
    if report.outcome != "passed":
        entry["passed"] = False
        entry["reason"] = reason_of(report)
        entry["timed_out"] |= TIMEOUT in str(report.longrepr)


def pytest_sessionfinish():
    pathlib.Path(os.environ["STAVE_CONFORMANCE_OUTCOMES"]).write_text(json.dumps(outcomes, indent=1, sort_keys=True))
