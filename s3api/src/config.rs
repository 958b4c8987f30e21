//! What an S3 front end is told at its start. Checked once by [`S3Config::validate`], then passed
//! down explicitly.

use crate::host::Domains;
use crate::sse::keys::KeyStore;
use crate::xml::settings::{Ownership, PublicAccessBlock};
use iam::users::Directory;
use sealing::RootKey;
use std::fmt;
use std::sync::Arc;

/// Smallest part but the last of a multipart upload, as AWS has it: 5 MiB.
pub const PART_SIZE_MIN: u64 = 5 << 20;

/// What an endpoint without a configured region calls its own, as AWS's oldest and MinIO do.
pub const REGION_DEFAULT: &str = "us-east-1";

/// Longest name of a region.
const REGION_LEN_MAX: usize = 63;

/// Whether a text may name a region.
pub fn is_region(text: &str) -> bool {
    let is_region_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=REGION_LEN_MAX).contains(&text.len()) && text.bytes().all(is_region_byte)
}

/// An access key and its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Public name of the key, sent with every request.
    pub access_key: String,
    /// Secret that signatures are made with; never sent, never logged.
    pub secret_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("access_key", &self.access_key)
            .field("secret_key", &"<redacted>")
            .finish()
    }
}

/// How new buckets are configured, unless the request says otherwise.
#[derive(Clone, Copy, Debug)]
pub struct NewBuckets {
    /// Who owns what others write. Default: the bucket's owner, so that lists of grants are off.
    pub ownership: Ownership,
    /// What public access is blocked. Default: all.
    pub block: PublicAccessBlock,
}

impl Default for NewBuckets {
    fn default() -> Self {
        Self { ownership: Ownership::BucketOwnerEnforced, block: PublicAccessBlock::ALL }
    }
}

/// A key store that is not the store's own.
#[derive(Clone)]
pub struct KeyService(pub Arc<dyn KeyStore>);

impl fmt::Debug for KeyService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyService({})", self.0.default_key())
    }
}

/// How objects are encrypted.
#[derive(Clone, Debug, Default)]
pub struct EncryptionConfig {
    /// The key that the store's keys are under. Default none: only clients' own keys can be used.
    pub root_key: Option<RootKey>,
    /// Whether what nobody said anything of is encrypted, too. Default no.
    pub is_automatic: bool,
    /// Whether clients' own keys may come without TLS from other machines. Default no.
    pub allows_plain_keys: bool,
    /// A service that seals keys in place of the store's own ring. Default none.
    pub service: Option<KeyService>,
}

/// Configuration of the S3 protocol.
#[derive(Clone, Debug)]
pub struct S3Config {
    /// Region that signatures must name. `None`: any will do, and this endpoint calls itself
    /// [`REGION_DEFAULT`].
    pub region: Option<String>,
    /// Whether requests may be signed by Signature Version 2, too ([`crate::sigv2`]).
    pub allows_sigv2: bool,
    /// Domains whose subdomains are buckets; none by default.
    pub domains: Domains,
    /// The root credential: may do everything.
    pub credentials: Credentials,
    /// Users that are declared; none by default.
    pub users: Arc<Directory>,
    /// How new buckets are configured.
    pub new_buckets: NewBuckets,
    /// How objects are encrypted.
    pub encryption: EncryptionConfig,
    /// Bytes that every part but the last must have. Default [`PART_SIZE_MIN`]; smaller in tests
    /// only.
    pub part_size_min: u64,
    /// Bounds on what clients may take.
    pub limits: Limits,
}

impl S3Config {
    /// A configuration with default limits, for any region.
    pub fn new(credentials: Credentials) -> Self {
        Self {
            region: None,
            allows_sigv2: false,
            domains: Domains::default(),
            credentials,
            users: Arc::default(),
            new_buckets: NewBuckets::default(),
            encryption: EncryptionConfig::default(),
            part_size_min: PART_SIZE_MIN,
            limits: Limits::default(),
        }
    }

    /// What this endpoint calls its region.
    pub fn region_name(&self) -> &str {
        self.region.as_deref().unwrap_or(REGION_DEFAULT)
    }

    /// Refuses what could not work.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub fn validate(&self) -> Result<(), String> {
        if self.region.as_deref().is_some_and(|region| !is_region(region)) {
            return Err("the region must be 1 to 63 letters, digits, '-' and '_'".to_owned());
        }
        let key = &self.credentials.access_key;
        let is_key_byte = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b',' | b'=');
        if !(3..=128).contains(&key.len()) || !key.bytes().all(is_key_byte) {
            return Err("the access key must be 3 to 128 printable characters without '/', ',' \
                        and '='"
                .to_owned());
        }
        if !(8..=256).contains(&self.credentials.secret_key.len()) {
            return Err("the secret key must have 8 to 256 bytes".to_owned());
        }
        if self.users.by_access_key(key).is_some() {
            return Err("a declared user has the access key of the root".to_owned());
        }
        let root_account = crate::auth::accounts::ROOT_ACCOUNT;
        if self.users.users().iter().any(|user| user.identity().account == root_account) {
            return Err(format!("a declared user has the account {root_account} of the root"));
        }
        let EncryptionConfig { is_automatic, root_key, service, .. } = &self.encryption;
        if *is_automatic && root_key.is_none() && service.is_none() {
            return Err("automatic encryption needs a key store".to_owned());
        }
        self.limits.validate()
    }
}

/// Bounds on what clients may take of memory, sockets and time.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections; more wait in the listener's backlog. Default 4096, at least 1.
    pub connections_max: usize,
    /// Milliseconds for a TLS handshake. Default 10,000.
    pub handshake_timeout_ms: u64,
    /// Requests at once on one HTTP/2 connection. Default 100.
    pub streams_max: u32,
    /// Milliseconds for a whole request head, counted from the end of the request before, so that
    /// it bounds idle connections too. Default 60,000.
    pub header_timeout_ms: u64,
    /// Milliseconds without a byte of a body, in either direction. Default 60,000.
    pub body_idle_timeout_ms: u64,
    /// Bytes a second that a body brings at least, over the waits for its client. Default 512.
    pub body_rate_min: u64,
    /// Milliseconds of such waits over which that is measured. Default 30,000.
    pub body_rate_window_ms: u64,
    /// Requests under way at once. Default 8192.
    pub requests_max: usize,
    /// Listings, bulk deletes and completions at once. Default 64.
    pub scans_max: usize,
    /// Those that wait for their turn. Default 1024.
    pub scans_waiting_max: usize,
    /// Milliseconds that a request waits for room before it is told to slow down. Default 10,000.
    pub admission_wait_ms: u64,
    /// Bytes of all documents that come and go at once. Default 128 MiB, at least 16 MiB.
    pub documents_len_max: usize,
    /// Milliseconds that an upload takes before it is authorised again at its end. Default 5,000.
    pub long_upload_ms: u64,
    /// Milliseconds between signs of life of an answer that takes long. Default 10,000.
    pub keep_alive_ms: u64,
    /// Milliseconds that running requests get after a shutdown began. Default 30,000.
    pub drain_ms: u64,
    /// Header fields of a request. Default 100.
    pub headers_max: usize,
    /// Bytes of a request head, request line included. Default 64 KiB.
    pub head_len_max: usize,
    /// Bytes of path and query. Default 32 KiB.
    pub url_len_max: usize,
    /// Bytes of user metadata, names and values together. Default 2 KiB, as AWS has it.
    pub metadata_len_max: usize,
    /// Bytes that one connection buffers while it reads. Default 128 KiB, at least `head_len_max`.
    pub read_buffer_len_max: usize,
    /// Bytes of an object or part written by one request. Default 5 GiB, as AWS has it.
    pub object_len_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            handshake_timeout_ms: 10_000,
            streams_max: 100,
            header_timeout_ms: 60_000,
            body_idle_timeout_ms: 60_000,
            body_rate_min: 512,
            body_rate_window_ms: 30_000,
            requests_max: 8192,
            scans_max: 64,
            scans_waiting_max: 1024,
            admission_wait_ms: 10_000,
            documents_len_max: 128 << 20,
            long_upload_ms: 5_000,
            keep_alive_ms: 10_000,
            drain_ms: 30_000,
            headers_max: 100,
            head_len_max: 64 << 10,
            url_len_max: 32 << 10,
            metadata_len_max: 2 << 10,
            read_buffer_len_max: 128 << 10,
            object_len_max: 5 << 30,
        }
    }
}

impl Limits {
    fn validate(&self) -> Result<(), String> {
        let is_sane = self.connections_max >= 1
            && self.handshake_timeout_ms >= 1
            && self.streams_max >= 1
            && u32::try_from(self.head_len_max).is_ok()
            && self.headers_max >= 10
            && self.head_len_max >= 8 << 10
            && self.read_buffer_len_max >= self.head_len_max
            && self.header_timeout_ms >= 1
            && self.body_idle_timeout_ms >= 1
            && self.requests_max >= 1
            && self.scans_max >= 1
            && self.documents_len_max >= 16 << 20
            && self.keep_alive_ms >= 1;
        if is_sane { Ok(()) } else { Err("a limit of the S3 front end is too small".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> S3Config {
        let credentials =
            Credentials { access_key: "root".to_owned(), secret_key: "0123456789".to_owned() };
        S3Config::new(credentials)
    }

    #[test]
    fn defaults_are_valid_and_secrets_stay_out_of_debug() {
        assert_eq!(config().validate(), Ok(()));
        assert!(!format!("{:?}", config()).contains("0123456789"));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let mut short = config();
        short.credentials.secret_key = "short".to_owned();
        assert!(short.validate().is_err());
        let mut slash = config();
        slash.credentials.access_key = "a/bc".to_owned();
        assert!(slash.validate().is_err());
        let mut region = config();
        region.region = Some(String::new());
        assert!(region.validate().is_err());
        for (key, account, is_valid) in [
            ("alice", "111122223333", true),
            ("root", "111122223333", false),
            ("alice", "000000000000", false),
        ] {
            let file = format!(
                "{{\"version\":1,\"users\":[{{\"access_key\":\"{key}\",\"secret_key\":\
                 \"0123456789\",\"canonical_id\":\"id\",\"display_name\":\"a\",\"account\":\
                 \"{account}\",\"user_name\":\"alice\",\"root\":true}}]}}"
            );
            let mut users = config();
            users.users = Arc::new(Directory::parse(file.as_bytes()).unwrap());
            assert_eq!(users.validate().is_ok(), is_valid, "{key} {account}");
        }
    }
}
