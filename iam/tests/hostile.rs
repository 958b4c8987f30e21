//! Documents and values of whoever means ill: everything is answered, nothing is fatal.

use iam::users::Directory;
use iam::{AccessRequest, BUCKET_POLICY_LEN_MAX, Context, Kind, Policy, Principal};
use proptest::prelude::*;
use proptest::sample::select;

/// Pieces of which hostile documents are made.
const PIECES: [&str; 40] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\\u0000",
    "null",
    "true",
    "1e9",
    "-1",
    "\"*\"",
    "\"Version\":",
    "\"2012-10-17\"",
    "\"Statement\":",
    "\"Effect\":\"Allow\"",
    "\"Principal\":",
    "\"AWS\":",
    "\"NotPrincipal\":",
    "\"Action\":\"s3:*\"",
    "\"Resource\":",
    "\"arn:aws:s3:::b-1/*\"",
    "\"Condition\":",
    "{\"StringLike\":",
    "{\"NumericEquals\":",
    "{\"IpAddress\":",
    "{\"x:a\":",
    "\"${aws:username}\"",
    "\"${x:a, 'b'}*\"",
    "\"${\"",
    "\"::/0\"",
    "\"2020-01-01\"",
    "\u{e4}",
    "users",
    "\"users\":[",
    "\"version\":1",
    "\"policies\":{",
    " ",
];

const OPERATORS: [&str; 7] =
    ["StringLike", "NumericEquals", "DateEquals", "IpAddress", "ArnLike", "BinaryEquals", "Bool"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]
    #[test]
    fn no_document_is_fatal(pieces in prop::collection::vec(select(PIECES.to_vec()), 0..30)) {
        let document = pieces.concat();
        for kind in [Kind::Bucket { bucket: "b-1" }, Kind::Identity] {
            let _ = Policy::parse(document.as_bytes(), kind, BUCKET_POLICY_LEN_MAX);
        }
        let _ = Directory::parse(document.as_bytes());
    }

    #[test]
    fn no_value_is_fatal(
        operator in select(OPERATORS.to_vec()),
        wanted in "\\PC{0,12}",
        found in "\\PC{0,12}",
    ) {
        let statement = serde_json::json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*",
            "Condition": {operator: {"x:a": wanted}}});
        let document = serde_json::json!({"Version": "2012-10-17", "Statement": statement});
        let text = document.to_string();
        if let Ok(policy) = Policy::parse(text.as_bytes(), Kind::Identity, text.len()) {
            let mut context = Context::new();
            context.insert("x:a", found);
            let request = AccessRequest {
                principal: &Principal::Anonymous,
                action: "s3:GetObject",
                resource: "arn:aws:s3:::b/k",
                context: &context,
            };
            let _ = policy.judge(&request);
        }
    }
}
