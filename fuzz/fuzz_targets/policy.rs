#![no_main]
//! Policies and the file of declared users: no document makes a parser panic, and a policy that was
//! accepted is judged in bounded time, whatever is asked.

use iam::users::Directory;
use iam::{AccessRequest, BUCKET_POLICY_LEN_MAX, Context, Kind, Policy, Principal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = Directory::parse(data);
    for kind in [Kind::Identity, Kind::Bucket { bucket: "box" }] {
        if let Ok(policy) = Policy::parse(data, kind, BUCKET_POLICY_LEN_MAX) {
            assert!(data.len() <= BUCKET_POLICY_LEN_MAX);
            let _ = policy.is_public();
            judge(&policy);
        }
    }
});

fn judge(policy: &Policy) {
    let principal = Principal::Anonymous;
    let mut context = Context::of(&principal);
    context.insert("aws:SourceIp", "10.0.0.1");
    context.insert("s3:prefix", "home/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/");
    context.insert("s3:ExistingObjectTag/team", "red");
    for action in ["s3:GetObject", "s3:ListBucket", "s3:PutObject"] {
        for resource in ["arn:aws:s3:::box", "arn:aws:s3:::box/aaaaaaaaaaaaaaaaaaaaaaaaaaaaab"] {
            let request =
                AccessRequest { principal: &principal, action, resource, context: &context };
            let _ = policy.judge(&request);
        }
    }
}
