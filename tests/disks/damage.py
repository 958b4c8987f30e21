"""Ways in which a disk is lost while the server runs, and ways in which it comes back."""

import os
import pathlib
import shutil
import subprocess

# One bit in so many bytes of a segment: about every record of 1 MiB is hit several times.
SEGMENT_STRETCH = 128 << 10
METADATA_STRETCH = 16 << 10


def remove(directory):
    """The whole directory goes at once, as a mount does."""
    trash = directory.with_name(f"{directory.name}.trash")
    directory.rename(trash)
    shutil.rmtree(trash)


def replace_by_blank(directory):
    """Another directory, empty, is in its place."""
    trash = directory.with_name(f"{directory.name}.trash")
    directory.rename(trash)
    directory.mkdir()
    shutil.rmtree(trash)


def empty(directory):
    """`rm -rf` of everything in it while the server may write there.

    The identity goes last: as long as it is there, nobody takes the directory for a new disk.
    """
    for child in sorted(directory.iterdir(), key=lambda child: child.name == "stave.disk"):
        if child.is_dir():
            shutil.rmtree(child, ignore_errors=True)
        else:
            child.unlink(missing_ok=True)


def flip(path, stretch, chance):
    """Turns one bit around in every stretch of a file; returns how many."""
    flipped = 0
    with open(path, "r+b", buffering=0) as file:
        length = os.fstat(file.fileno()).st_size
        for start in range(0, length, stretch):
            offset = start + chance.randrange(min(stretch, length - start))
            byte = os.pread(file.fileno(), 1, offset)[0]
            os.pwrite(file.fileno(), bytes([byte ^ 1 << chance.randrange(8)]), offset)
            flipped += 1
    return flipped


def flip_segments(directory, chance):
    return flip_all(sorted((directory / "volumes").glob("*")), SEGMENT_STRETCH, chance)


def flip_metadata(directory, chance):
    paths = [path for name in ("runs", "journal") for path in sorted((directory / name).glob("*"))]
    return flip_all([*paths, directory / "manifest"], METADATA_STRETCH, chance)


def flip_all(paths, stretch, chance):
    flipped = 0
    for path in paths:
        try:
            flipped += flip(path, stretch, chance)
        except FileNotFoundError:  # reclaimed or merged in between
            pass
    return flipped


def freeze(directory):
    """Takes the right to write away, from files that are open, too; returns whether that is possible here.

    The mode stops nobody who is root. The immutable flag does where the file system has it.
    """
    if os.geteuid() == 0:
        subprocess.run(["chattr", "-R", "+i", directory], capture_output=True, check=False)
    else:
        directory.chmod(0o500)
    try:
        (directory / "trial").touch()
    except OSError:
        return True
    (directory / "trial").unlink()
    return False


def thaw(directory):
    if os.geteuid() == 0:
        subprocess.run(["chattr", "-R", "-i", directory], capture_output=True, check=False)
    elif directory.exists():
        directory.chmod(0o700)


def take_away(directory):
    directory.rename(away(directory))


def bring_back(directory):
    away(directory).rename(directory)


def away(directory):
    return directory.with_name(f"{directory.name}.away")


def swap(one, other):
    between = one.with_name(f"{one.name}.between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


def used_bytes(root):
    """What lies below, in blocks, whatever vanishes meanwhile."""
    total = 0
    for directory, _, names in os.walk(root):
        for name in names:
            try:
                total += pathlib.Path(directory, name).lstat().st_blocks * 512
            except FileNotFoundError:
                pass
    return total
