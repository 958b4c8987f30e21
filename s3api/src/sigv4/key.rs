//! Signing keys: derived by four HMACs from the secret, kept for a while.

use super::{HmacSha256, Scope, SigningService, hmac, hmac_key};
use std::sync::{Arc, Mutex, PoisonError};

/// Keys that are kept: one a day, region and access key in use, and that of unknown access keys.
const CACHE_KEYS_MAX: usize = 256;

/// A key ready to sign with, bound to day, region and service.
#[derive(Clone)]
pub struct SigningKey(Arc<HmacSha256>);

impl SigningKey {
    /// Derives a key.
    pub fn derive(secret: &str, scope: &Scope<'_>) -> Self {
        let day = hmac(&hmac_key(format!("AWS4{secret}").as_bytes()), scope.day.as_bytes());
        let region = hmac(&hmac_key(&day), scope.region.as_bytes());
        let service = hmac(&hmac_key(&region), scope.service.name().as_bytes());
        let key = hmac(&hmac_key(&service), b"aws4_request");
        Self(Arc::new(hmac_key(&key)))
    }

    /// Signs a text; 64 hexadecimal digits.
    pub fn sign(&self, text: &str) -> String {
        hex::encode(hmac(&self.0, text.as_bytes()))
    }
}

struct Entry {
    access_key: String,
    day: String,
    region: String,
    service: SigningService,
    key: SigningKey,
}

impl Entry {
    fn is_of(&self, access_key: &str, scope: &Scope<'_>) -> bool {
        let is_scope = self.day == scope.day && self.region == scope.region;
        self.access_key == access_key && is_scope && self.service == scope.service
    }
}

/// The keys used last, so that a request costs one HMAC instead of five. Bounded: the oldest
/// goes.
#[derive(Default)]
pub struct KeyCache {
    entries: Mutex<Vec<Entry>>,
}

impl KeyCache {
    /// The key of `access_key` for this scope, derived where it is not kept.
    pub fn get(&self, access_key: &str, secret: &str, scope: &Scope<'_>) -> SigningKey {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let found = entries.iter().find(|entry| entry.is_of(access_key, scope));
        let kept = found.map(|entry| entry.key.clone());
        drop(entries);
        kept.unwrap_or_else(|| SigningKey::derive(secret, scope))
    }

    /// Keeps a key; returns whether it was not kept before.
    pub fn keep(&self, access_key: &str, scope: &Scope<'_>, key: &SigningKey) -> bool {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.iter().any(|entry| entry.is_of(access_key, scope)) {
            return false;
        }
        if entries.len() == CACHE_KEYS_MAX {
            entries.remove(0);
        }
        entries.push(Entry {
            access_key: access_key.to_owned(),
            day: scope.day.to_owned(),
            region: scope.region.to_owned(),
            service: scope.service,
            key: key.clone(),
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_of_aws_documentation_signs_its_example() {
        let service = SigningService::S3;
        let scope = Scope { day: "20130524", region: "us-east-1", service };
        let key = SigningKey::derive("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &scope);
        let text = "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n\
                    7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972";
        assert_eq!(
            key.sign(text),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
    }

    #[test]
    fn cache_stays_bounded_and_right() {
        let cache = KeyCache::default();
        for round in 0..3 {
            for day in 0..CACHE_KEYS_MAX + 10 {
                let day = format!("{:08}", 20_130_000 + day);
                let scope = Scope { day: &day, region: "r", service: SigningService::S3 };
                let key = cache.get("A", "secret", &scope);
                let fresh = SigningKey::derive("secret", &scope);
                assert_eq!(key.sign("x"), fresh.sign("x"), "round {round}");
                assert!(cache.keep("A", &scope, &key));
                assert!(!cache.keep("A", &scope, &key));
            }
        }
        assert_eq!(cache.entries.lock().unwrap().len(), CACHE_KEYS_MAX);
    }
}
