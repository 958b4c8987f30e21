//! Forms as browsers send them, and policies as their signers write them.

use super::{Ask, Reply, Server};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use s3api::Credentials;
use s3api::sigv2;
use s3api::sigv4::key::SigningKey;
use s3api::sigv4::{Scope, SigningService};

/// The moment of the tests' clock, as Signature Version 4 writes it.
pub const DATE: &str = "20260102T030405Z";

/// A minute later.
pub const EXPIRATION: &str = "2026-01-02T03:05:05Z";

/// A form in the making.
#[derive(Clone)]
pub struct Form {
    fields: Vec<(String, String)>,
    file: Option<(String, String)>,
    trailing: String,
}

impl Form {
    /// A form that writes `data` to `key`.
    pub fn new(key: &str, data: &str) -> Self {
        let fields = vec![("key".to_owned(), key.to_owned())];
        let file = Some(("name.txt".to_owned(), data.to_owned()));
        Self { fields, file, trailing: String::new() }
    }

    /// Adds a field.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Replaces a field.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        let field = self.fields.iter_mut().find(|(known, _)| known == name);
        field.expect("the field is there").1 = value.to_owned();
        self
    }

    /// Takes a field away.
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self
    }

    /// Another file.
    pub fn file(mut self, name: &str, data: &str) -> Self {
        self.file = Some((name.to_owned(), data.to_owned()));
        self
    }

    /// No file.
    pub fn without_file(mut self) -> Self {
        self.file = None;
        self
    }

    /// Adds a field behind the file.
    pub fn trailing(mut self, name: &str, value: &str) -> Self {
        self.trailing.push_str(&part(&format!("name=\"{name}\""), value));
        self
    }

    /// The policy for a bucket, with these conditions beside those that the signature needs.
    pub fn policy(credentials: &Credentials, bucket: &str, conditions: &str) -> String {
        let credential = credential(credentials);
        let more = if conditions.is_empty() { "" } else { "," };
        BASE64.encode(format!(
            "{{\"expiration\":\"{EXPIRATION}\",\"conditions\":[{{\"bucket\":\"{bucket}\"}},\
             [\"starts-with\",\"$key\",\"\"],{{\"x-amz-algorithm\":\"AWS4-HMAC-SHA256\"}},\
             {{\"x-amz-credential\":\"{credential}\"}},{{\"x-amz-date\":\"{DATE}\"}}{more}\
             {conditions}]}}"
        ))
    }

    /// Signs by Version 4 with a policy for the bucket `box` and these conditions.
    pub fn sign(self, credentials: &Credentials, conditions: &str) -> Self {
        self.sign_policy(credentials, &Self::policy(credentials, "box", conditions))
    }

    /// Signs a policy by Version 4.
    pub fn sign_policy(self, credentials: &Credentials, policy: &str) -> Self {
        let scope = Scope { day: &DATE[..8], region: "us-east-1", service: SigningService::S3 };
        let signature = SigningKey::derive(&credentials.secret_key, &scope).sign(policy);
        self.field("policy", policy)
            .field("x-amz-algorithm", "AWS4-HMAC-SHA256")
            .field("x-amz-credential", &credential(credentials))
            .field("x-amz-date", DATE)
            .field("x-amz-signature", &signature)
    }

    /// Signs a policy by Version 2.
    pub fn sign_version_2(self, credentials: &Credentials, policy: &str) -> Self {
        let signature = sigv2::sign(&credentials.secret_key, policy);
        let form = self.field("AWSAccessKeyId", &credentials.access_key);
        form.field("policy", policy).field("signature", &signature)
    }

    /// The body.
    pub fn body(&self) -> String {
        let field = |(name, value): &(String, String)| part(&format!("name=\"{name}\""), value);
        let mut body: String = self.fields.iter().map(field).collect();
        if let Some((name, data)) = &self.file {
            body.push_str(&part(&format!("name=\"file\"; filename=\"{name}\""), data));
        }
        format!("{body}{}--B--\r\n", self.trailing)
    }

    /// The request.
    pub fn ask<'a>(&self, server: &'a Server, path: &str) -> Ask<'a> {
        ask(server, path, self.body())
    }

    /// Sends it to the bucket `box`.
    pub async fn send(&self, server: &Server) -> Reply {
        self.ask(server, "/box").send_as_is().await
    }
}

/// A request with a body that is a form, or none.
pub fn ask<'a>(server: &'a Server, path: &str, body: String) -> Ask<'a> {
    let ask = server.ask("POST", path).body(body);
    ask.header("content-type", "multipart/form-data; boundary=B")
}

/// The value of `x-amz-credential`.
pub fn credential(credentials: &Credentials) -> String {
    format!("{}/{}/us-east-1/s3/aws4_request", credentials.access_key, &DATE[..8])
}

fn part(disposition: &str, value: &str) -> String {
    format!("--B\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{value}\r\n")
}
