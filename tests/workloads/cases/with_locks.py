"""Locks and counters by conditional writes, as Terraform's S3 backend and others keep them: several processes race.

| race     | request                                              | must hold                                      |
|----------|------------------------------------------------------|------------------------------------------------|
| lock     | PUT `If-None-Match: *`; DELETE `If-Match` unlocks    | exactly one process of each round has it       |
| mutex    | the same without rounds, around an unconditional PUT | no update is lost, so never two hold it        |
| counter  | GET, PUT `If-Match`                                  | final value = successes, each value given once |
| assembly | CompleteMultipartUpload `If-None-Match: *`           | exactly one completes, and its bytes are read  |

AWS may answer 409 `ConditionalRequestConflict` where requests overlap: that is a loss, and is asked again by the loops.
"""

import re

from harness import MIB, case, case_of_plain, equal, random_bytes, support
from tools import race

PROCESSES = 6
ROUNDS = 150
HOLDS = 30
STEPS = 40
UPLOAD_ROUNDS = 4
# A process that loses that often in a row does not lose by chance.
LOSSES_MAX = 20_000
LOST = (409, 412)
ABSENT = {"If-None-Match": "*"}


def race_at(world, function, *arguments):
    server = world.server
    return race(PROCESSES, function, (server.host, server.access_key, server.secret_key, server.ca), *arguments)


def expect(answer, *statuses):
    assert answer.status in statuses, f"status {answer.status}, wanted {statuses}: {answer.body[:300]!r}"
    return answer


def lock_in_rounds(number, barrier, server, path):
    """Tries once a round; whoever won unlocks. Returns the rounds that it won."""
    client, won = support.Client(*server), []
    for index in range(ROUNDS):
        body = f"round {index}, process {number}".encode()
        barrier.wait()
        answer = expect(client.request("PUT", path, body=body, headers=ABSENT), 200, *LOST)
        barrier.wait()
        if answer.status == 200:
            won.append(index)
            equal(expect(client.request("GET", path), 200).body, body)
        else:
            expect(client.request("DELETE", path, headers={"If-Match": '"0123456789abcdef0123456789abcdef"'}), 412)
        barrier.wait()
        if answer.status == 200:
            expect(client.request("DELETE", path, headers={"If-Match": answer.headers["etag"]}), 204)
    return won


@case
def lock_has_one_owner_in_every_round(world):
    bucket = world.bucket("locks")
    won = race_at(world, lock_in_rounds, f"/{bucket}/state.tfstate.tflock")
    equal(sorted(index for rounds in won for index in rounds), list(range(ROUNDS)))
    equal(world.keys_in(bucket), [])


def hold_in_turn(number, barrier, server, bucket):
    """Takes the lock again and again; under it, updates a state without any condition."""
    client, lock, state = support.Client(*server), f"/{bucket}/lock", f"/{bucket}/state"
    for _ in range(HOLDS):
        held = until_it_is_ours(client, lock, f"process {number}".encode())
        count = int(expect(client.request("GET", state), 200).body)
        expect(client.request("PUT", state, body=str(count + 1).encode()), 200)
        expect(client.request("DELETE", lock, headers={"If-Match": held}), 204)


def until_it_is_ours(client, lock, body):
    for _ in range(LOSSES_MAX):
        answer = expect(client.request("PUT", lock, body=body, headers=ABSENT), 200, *LOST)
        if answer.status == 200:
            return answer.headers["etag"]
    raise AssertionError(f"the lock was not ours in {LOSSES_MAX} tries")


@case_of_plain
def lock_guards_an_unconditional_update(world):
    bucket = world.bucket("locks-mutex")
    world.s3.put_object(Bucket=bucket, Key="state", Body=b"0")
    race_at(world, hold_in_turn, bucket)
    equal(world.body_of(bucket, "state"), str(PROCESSES * HOLDS).encode())
    equal(world.keys_in(bucket), ["state"])


def count_up(number, barrier, server, path):
    """Adds one by compare and swap; returns the values that were acknowledged to it, and how often it lost."""
    client, mine, losses = support.Client(*server), [], 0
    while len(mine) < STEPS:
        assert losses < LOSSES_MAX, f"process {number} lost {losses} times"
        found = expect(client.request("GET", path), 200)
        value = int(found.body) + 1
        told = {"If-Match": found.headers["etag"]}
        if expect(client.request("PUT", path, body=str(value).encode(), headers=told), 200, *LOST).status == 200:
            mine.append(value)
        else:
            losses += 1
    return mine, losses


@case
def counter_by_compare_and_swap_counts_every_success(world):
    bucket = world.bucket("locks-counter")
    world.s3.put_object(Bucket=bucket, Key="counter", Body=b"0")
    outcomes = race_at(world, count_up, f"/{bucket}/counter")
    given = [value for values, _ in outcomes for value in values]
    equal(sorted(given), list(range(1, PROCESSES * STEPS + 1)))
    equal(world.body_of(bucket, "counter"), str(PROCESSES * STEPS).encode())
    assert sum(losses for _, losses in outcomes) > 0, "nobody ever lost: that was no race"


def body_of_upload(number, index):
    return random_bytes(f"upload {index} of {number}", 5 * MIB + 1 + number)


def upload(client, path, body):
    """Uploads two parts; returns the upload's id and the document that completes it."""
    begun = expect(client.request("POST", path, [("uploads", "")]), 200)
    upload_id, listed = re.search(rb"<UploadId>([^<]+)<", begun.body).group(1).decode(), ""
    for part, piece in ((1, body[: 5 * MIB]), (2, body[5 * MIB :])):
        query = [("partNumber", part), ("uploadId", upload_id)]
        answer = expect(client.request("PUT", path, query, piece), 200)
        listed += f"<Part><PartNumber>{part}</PartNumber><ETag>{answer.headers['etag']}</ETag></Part>"
    return upload_id, f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()


def assemble(number, barrier, server, bucket):
    """Uploads in parts to one key a round, and completes at the same time as all others. Returns the rounds won."""
    client, won = support.Client(*server), []
    for index in range(UPLOAD_ROUNDS):
        path = f"/{bucket}/{index}"
        upload_id, text = upload(client, path, body_of_upload(number, index))
        barrier.wait()
        answer = expect(client.request("POST", path, [("uploadId", upload_id)], text, ABSENT), 200, *LOST)
        if answer.status == 200:
            assert b"<Error>" not in answer.body, answer.body
            won.append(index)
        else:
            expect(client.request("DELETE", path, [("uploadId", upload_id)]), 204)
    return won


@case_of_plain
def one_upload_in_parts_completes_where_nothing_was(world):
    bucket = world.bucket("locks-uploads")
    won = race_at(world, assemble, bucket)
    owners = {index: number for number, rounds in enumerate(won) for index in rounds}
    equal(sorted(index for rounds in won for index in rounds), list(range(UPLOAD_ROUNDS)))
    for index, number in owners.items():
        equal(world.body_of(bucket, str(index)), body_of_upload(number, index))
    equal(world.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []), [])
