//! Encryption of objects.
//!
//! | setting         | environment                                           | default |
//! |-----------------|-------------------------------------------------------|---------|
//! | root key        | `STAVE_KMS_SECRET_KEY[_FILE]`, `NAME:BASE64`          | none    |
//! | automatic       | `STAVE_KMS_AUTO_ENCRYPTION`                           | `off`   |
//! | plain SSE-C     | `STAVE_SSE_C_OVER_HTTP`                               | `off`   |

use super::names::{self, Environment, Found};
use super::parse_switch;
use s3api::config::EncryptionConfig;
use sealing::RootKey;

/// Reads how objects are encrypted.
///
/// # Errors
/// One line, without the key.
pub(super) fn encryption(environment: &mut Environment<'_>) -> Result<EncryptionConfig, String> {
    let root_key = environment.find(&names::KMS_SECRET_KEY)?.map(root_key).transpose()?;
    let mut switch = |setting| {
        let found = environment.find(setting)?;
        found.map_or(Ok(false), |found| parse_switch(&found.name, Some(found.value)))
    };
    let is_automatic = switch(&names::KMS_AUTO_ENCRYPTION)?;
    let allows_plain_keys = switch(&names::SSE_C_OVER_HTTP)?;
    if is_automatic && root_key.is_none() {
        let (auto, key) = (names::KMS_AUTO_ENCRYPTION.own, names::KMS_SECRET_KEY.own);
        return Err(format!("{auto} is on without a key: set {key}, too"));
    }
    Ok(EncryptionConfig { root_key, is_automatic, allows_plain_keys })
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
