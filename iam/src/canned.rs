//! The policies that MinIO has without anybody writing them, by their names there.

use crate::policy::{Kind, Policy};

const READ_ONLY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
    "Action":["s3:GetBucketLocation","s3:GetObject"],"Resource":["arn:aws:s3:::*"]}]}"#;
const WRITE_ONLY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
    "Action":["s3:PutObject"],"Resource":["arn:aws:s3:::*"]}]}"#;
const READ_WRITE: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
    "Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]}"#;
const DIAGNOSTICS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
    "Action":["admin:Profiling","admin:ServerTrace","admin:ConsoleLog","admin:ServerInfo",
    "admin:TopLocksInfo","admin:OBDInfo","admin:BandwidthMonitor","admin:Prometheus"],
    "Resource":["arn:aws:s3:::*"]}]}"#;
const CONSOLE_ADMIN: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":["admin:*"]},
    {"Effect":"Allow","Action":["kms:*"]},
    {"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]}"#;

/// The names of all of them.
pub const CANNED_NAMES: [&str; 5] =
    ["readonly", "writeonly", "readwrite", "diagnostics", "consoleAdmin"];

/// The policy of a name. It is compiled anew: keep it.
pub fn canned(name: &str) -> Option<Policy> {
    let document = match name {
        "readonly" => READ_ONLY,
        "writeonly" => WRITE_ONLY,
        "readwrite" => READ_WRITE,
        "diagnostics" => DIAGNOSTICS,
        "consoleAdmin" => CONSOLE_ADMIN,
        _ => return None,
    };
    let policy = Policy::parse(document.as_bytes(), Kind::Identity, document.len());
    Some(policy.expect("the tests compile every one of these documents"))
}
