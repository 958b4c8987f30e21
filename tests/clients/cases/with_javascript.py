"""The JavaScript clients, each one script for node that asserts step by step (`js/`).

| client                  | upload | list | range | copy | multipart     | conditional write      | delete |
|-------------------------|--------|------|-------|------|---------------|------------------------|--------|
| AWS SDK for JS v3       | yes    | yes  | yes   | yes  | `lib-storage` | yes                    | yes    |
| minio-js                | yes    | yes  | yes   | yes  | from 5 MiB    | by headers, as it says | yes    |

Neither carries trees.
"""

import functools
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

from harness import DOMAIN, HERE, case, support

SOURCE = HERE / "js"


@functools.cache
def installed():
    """The scripts beside what they import, below the target directory; installed anew when a pin changed."""
    place, tools = support.target_dir() / "clients-js", pathlib.Path(sys.executable).parent
    wanted = hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()
    stamp = place / "installed"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / name, place)
        environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
        command = [tools / "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=place, env=environment, check=True)
        stamp.write_text(wanted)
    for script in SOURCE.glob("*.mjs"):
        shutil.copy(script, place)
    return place


def node(world, script):
    environment = {**world.told(), "STAVE_DOMAIN": DOMAIN}
    return world.run(world.tool("node"), installed() / script, environment=environment)


@case
def aws_sdk_does_it_all(world):
    assert node(world, "aws-sdk.mjs").count(": ok,") == 10


@case
def minio_js_does_it_all(world):
    assert node(world, "minio.mjs").count(": ok,") == 8
