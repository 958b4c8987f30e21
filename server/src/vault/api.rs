//! What is asked of Vault's transit engine (HTTP API of Vault, "Transit secrets engine").

use super::session::{Reply, Session, unavailable};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use http::{Method, StatusCode};
use s3api::sse::keys::KeyError;
use sealing::Secret;
use sealing::ring::KeyInfo;
use serde_json::{Value, json};

/// Keys that are looked at at once for a listing.
const LOOKS_AT_ONCE: usize = 8;

/// Keys that are listed at most.
const LISTED_COUNT_MAX: usize = 10_000;

/// What Vault says where there is no such key, if it does not answer 404.
const NO_KEY: &str = "key not found";

/// The engine at its mount.
pub(super) struct Api {
    session: Session,
    mount: String,
}

impl Api {
    pub(super) fn new(session: Session, mount: String) -> Self {
        Self { session, mount }
    }

    pub(super) async fn run(&self) {
        self.session.run().await;
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Reply, KeyError> {
        let path = format!("/v1/{}/{path}", self.mount);
        self.session.ask(&method, &path, body.as_ref()).await
    }

    pub(super) async fn encrypt(
        &self,
        key: &str,
        secret: &Secret,
        binding: &[u8],
    ) -> Result<String, KeyError> {
        let body = json!({
            "plaintext": STANDARD.encode(secret.bytes()),
            "associated_data": STANDARD.encode(binding),
        });
        let reply = self.ask(Method::POST, &format!("encrypt/{key}"), Some(body)).await?;
        let data = data_of(&reply, key)?;
        let sealed = data["ciphertext"].as_str().filter(|text| !text.contains(char::is_whitespace));
        sealed.map(str::to_owned).ok_or_else(|| unavailable("Vault sealed nothing"))
    }

    pub(super) async fn decrypt(
        &self,
        key: &str,
        sealed: &str,
        binding: &[u8],
    ) -> Result<Secret, KeyError> {
        let body = json!({ "ciphertext": sealed, "associated_data": STANDARD.encode(binding) });
        let reply = self.ask(Method::POST, &format!("decrypt/{key}"), Some(body)).await?;
        if reply.status == StatusCode::BAD_REQUEST && !reply.reason().contains(NO_KEY) {
            tracing::warn!(reason = reply.reason(), key, "a sealed key does not open");
            return Err(KeyError::Closed);
        }
        let data = data_of(&reply, key)?;
        let opened = data["plaintext"].as_str().and_then(|text| STANDARD.decode(text).ok());
        let opened = opened.and_then(|bytes| bytes.try_into().ok());
        opened.map(Secret::new).ok_or(KeyError::Closed)
    }

    /// A key's newest version.
    pub(super) async fn describe(&self, key: &str) -> Result<KeyInfo, KeyError> {
        let reply = self.ask(Method::GET, &format!("keys/{key}"), None).await?;
        let data = data_of(&reply, key)?;
        let version = data["latest_version"].as_u64().and_then(|it| u32::try_from(it).ok());
        let version = version.ok_or_else(|| unavailable("Vault describes no key"))?;
        // Seconds since 1970, of keys that are not pairs.
        let created = data["keys"][version.to_string()].as_u64();
        let created_ms = created.map(|seconds| seconds.saturating_mul(1000));
        Ok(KeyInfo { name: key.to_owned(), version, created_ms })
    }

    pub(super) async fn create(&self, key: &str) -> Result<(), KeyError> {
        let body = json!({ "type": "aes256-gcm96" });
        let reply = self.ask(Method::POST, &format!("keys/{key}"), Some(body)).await?;
        check(&reply, key)
    }

    pub(super) async fn rotate(&self, key: &str) -> Result<(), KeyError> {
        let path = format!("keys/{key}/rotate");
        check(&self.ask(Method::POST, &path, Some(json!({}))).await?, key)
    }

    pub(super) async fn list(&self) -> Result<Vec<KeyInfo>, KeyError> {
        let reply = self.ask(Method::GET, "keys?list=true", None).await?;
        let is_empty = reply.status == StatusCode::NOT_FOUND && says_nothing(&reply);
        let data = if is_empty { &Value::Null } else { data_of(&reply, "")? };
        let listed = data["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
        let names = listed.iter().filter_map(Value::as_str).map(str::to_owned);
        let names: Vec<String> = names.take(LISTED_COUNT_MAX).collect();
        let looks =
            futures_util::stream::iter(names).map(|name| async move { self.describe(&name).await });
        let mut looks = looks.buffered(LOOKS_AT_ONCE);
        let mut keys = Vec::new();
        while let Some(look) = looks.next().await {
            match look {
                Ok(key) => keys.push(key),
                // Deleted since.
                Err(KeyError::NoSuchKey(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(keys)
    }
}

fn says_nothing(reply: &Reply) -> bool {
    reply.body["errors"].as_array().is_some_and(Vec::is_empty)
}

fn check(reply: &Reply, key: &str) -> Result<(), KeyError> {
    if reply.status.is_success() {
        return Ok(());
    }
    let reason = reply.reason();
    // A mount that is not there is 404, too, but says so.
    let is_missing = reply.status == StatusCode::NOT_FOUND && says_nothing(reply)
        || reply.status == StatusCode::BAD_REQUEST && reason.contains(NO_KEY);
    match is_missing {
        true => Err(KeyError::NoSuchKey(key.to_owned())),
        false => Err(unavailable(&reason)),
    }
}

fn data_of<'a>(reply: &'a Reply, key: &str) -> Result<&'a Value, KeyError> {
    check(reply, key)?;
    Ok(&reply.body["data"])
}
