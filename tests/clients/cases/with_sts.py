"""Sessions of STS, by boto3 and the aws cli: what they may do, and that their tokens belong to them.

| upload | list | range | copy | multipart | conditional write | delete |
|--------|------|-------|------|-----------|-------------------|--------|
| yes    | yes  | no    | no   | no        | no                | no     |
"""

import json

import boto3
import botocore.config

from harness import case, equal, refused, support

ROLE = "arn:aws:iam::000000000000:role/any"
READ = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "arn:aws:s3:::*"}],
}


def client(world, service, credentials=None):
    session = credentials or {"AccessKeyId": world.server.access_key, "SecretAccessKey": world.server.secret_key}
    return boto3.client(
        service,
        endpoint_url=world.server.endpoint,
        region_name=support.REGION,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session.get("SessionToken"),
        verify=str(world.ca) if world.ca else None,
        config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


@case
def sessions_may_what_their_policy_leaves_them(world):
    bucket, sts = world.bucket("sessions"), client(world, "sts")
    world.s3.put_object(Bucket=bucket, Key="k", Body=b"for sessions")
    assumed = sts.assume_role(RoleArn=ROLE, RoleSessionName="reader", Policy=json.dumps(READ), DurationSeconds=900)
    reader = client(world, "s3", assumed["Credentials"])
    equal(reader.get_object(Bucket=bucket, Key="k")["Body"].read(), b"for sessions")
    equal(reader.list_objects_v2(Bucket=bucket)["KeyCount"], 1)
    refused("AccessDenied", reader.put_object, Bucket=bucket, Key="k", Body=b"not by it")
    whole = client(world, "s3", sts.get_session_token()["Credentials"])
    whole.put_object(Bucket=bucket, Key="k", Body=b"by a session")
    equal(world.body_of(bucket, "k"), b"by a session")


@case
def a_token_belongs_to_its_keys(world):
    bucket, sts = world.bucket("tokens"), client(world, "sts")
    first, second = (sts.get_session_token()["Credentials"] for _ in range(2))
    mixed = client(world, "s3", {**first, "SessionToken": second["SessionToken"]})
    refused("InvalidToken", mixed.list_objects_v2, Bucket=bucket)
    without = client(world, "s3", {**first, "SessionToken": None})
    refused(403, without.list_objects_v2, Bucket=bucket)
    world.restart()
    equal(client(world, "s3", first).list_objects_v2(Bucket=bucket)["KeyCount"], 0)


@case
def who_asks_is_told_who_they_are(world):
    told = client(world, "sts").get_caller_identity()
    command = json.loads(world.run(world.tool("aws"), "sts", "get-caller-identity"))
    equal(command["Arn"], told["Arn"])
    credentials = client(world, "sts").get_session_token()["Credentials"]
    equal(client(world, "sts", credentials).get_caller_identity()["Account"], told["Account"])
