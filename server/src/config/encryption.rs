//! Encryption of objects.
//!
//! | setting         | environment                                           | default |
//! |-----------------|-------------------------------------------------------|---------|
//! | root key        | `STAVE_KMS_SECRET_KEY[_FILE]`, `NAME:BASE64`          | none    |
//! | or Vault        | `STAVE_KMS_VAULT_*`, see `vault.rs`                   | none    |
//! | automatic       | `STAVE_KMS_AUTO_ENCRYPTION`                           | `off`   |
//! | plain SSE-C     | `STAVE_SSE_C_OVER_HTTP`                               | `off`   |

use super::names::{self, Environment, Found};
use super::parse_switch;
use super::vault::{VaultConfig, vault};
use s3api::config::EncryptionConfig;
use sealing::RootKey;

/// Reads how objects are encrypted. The key store is not made yet, where it is Vault.
///
/// # Errors
/// One line, without the key.
pub(super) fn encryption(
    environment: &mut Environment<'_>,
) -> Result<(EncryptionConfig, Option<VaultConfig>), String> {
    let vault = vault(environment)?;
    let root_key = environment.find(&names::KMS_SECRET_KEY)?.map(root_key).transpose()?;
    let mut switch = |setting| {
        let found = environment.find(setting)?;
        found.map_or(Ok(false), |found| parse_switch(&found.name, Some(found.value)))
    };
    let is_automatic = switch(&names::KMS_AUTO_ENCRYPTION)?;
    let allows_plain_keys = switch(&names::SSE_C_OVER_HTTP)?;
    let (key, endpoint) = (names::KMS_SECRET_KEY.own, names::KMS_VAULT_ENDPOINT.own);
    if root_key.is_some() && vault.is_some() {
        // What is under one of them does not open under the other.
        return Err(format!("{key} and {endpoint} are both set: remove one"));
    }
    if is_automatic && root_key.is_none() && vault.is_none() {
        let auto = names::KMS_AUTO_ENCRYPTION.own;
        return Err(format!("{auto} is on without a key: set {key} or {endpoint}, too"));
    }
    let config = EncryptionConfig { root_key, is_automatic, allows_plain_keys, service: None };
    Ok((config, vault))
}

fn root_key(found: Found) -> Result<RootKey, String> {
    let Found { name, value } = found;
    RootKey::parse(&value).map_err(|_| {
        format!(
            "bad {name}: NAME:KEY is wanted, with a name of letters, digits, '-', '_' and '.', and \
             the base64 of 32 bytes, as `openssl rand -base64 32` makes them"
        )
    })
}
