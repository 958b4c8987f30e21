"""AWS SDK for Rust (`aws-sdk-s3`), a small program of its own (`rust/`) that ends at the first thing not as wanted.

| upload | list | range | copy | multipart | conditional write | delete | trees      |
|--------|------|-------|------|-----------|-------------------|--------|------------|
| yes    | yes  | yes   | yes  | yes       | yes               | yes    | none of it |
"""

import functools
import json
import os
import subprocess

from harness import HERE, case, support


@functools.cache
def program():
    """Builds it below the target directory; cargo knows what is there already."""
    place = support.target_dir() / "clients-rust"
    command = ["cargo", "build", "--locked", "--quiet", "--manifest-path", HERE / "rust/Cargo.toml"]
    # Flags of the caller's build (a simulation's, say) are not its own.
    environment = {name: value for name, value in os.environ.items() if not name.endswith("RUSTFLAGS")}
    command += ["--target-dir", place, "--message-format", "json-render-diagnostics"]
    built = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    return next(message["executable"] for message in messages if message.get("executable"))


@case
def it_does_it_all(world):
    world.run(program(), environment=world.told())
