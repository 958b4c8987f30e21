"""Why tests of the suite fail: the features that expected.txt may name, in the order of docs/conformance.md.

A feature of the group LATER needs no word on its single tests. The tests of every other group carry a note each.
"""

from typing import NamedTuple

LATER = "not built yet"
AGAINST_AWS = "the test demands what AWS S3 does not do"
UNSENT = "the request that the test means never leaves the client"
OURS = "ours"


class Feature(NamedTuple):
    group: str
    why: str


# A failure that nobody has looked at yet; a run that finds one in the list fails.
UNSORTED = "unsorted"

FEATURES = {
    "lifecycle": Feature(LATER, "Lifecycle rules: expiry, transition, abort of old uploads."),
    "logging": Feature(LATER, "Access logs of a bucket."),
    "ceph-only": Feature(AGAINST_AWS, "An extension of Ceph's gateway, or its command line."),
    "differs-from-aws": Feature(AGAINST_AWS, "Ceph's behaviour, or what AWS did long ago."),
    "client": Feature(UNSENT, "botocore refuses, replaces or cannot make the request."),
    "decision": Feature(OURS, "Stave does otherwise on purpose."),
    "bug": Feature(OURS, "A bug of ours, not yet fixed."),
    UNSORTED: Feature(OURS, "New; somebody has to find out why."),
}


def needs_note(feature):
    return FEATURES[feature].group != LATER
