//! Vault as the key store.
//!
//! | setting   | environment, each behind `STAVE_KMS_VAULT_`   | default              |
//! |-----------|-----------------------------------------------|----------------------|
//! | endpoint  | `ENDPOINT`                                    | none: no Vault       |
//! | key       | `KEY`                                         | none, required       |
//! | token     | `TOKEN`, or a file that holds it `TOKEN_FILE` | none                 |
//! | role      | `ROLE_ID`, `SECRET_ID[_FILE]`                 | none                 |
//! | mount     | `MOUNT`                                       | `transit`            |
//! | namespace | `NAMESPACE`                                   | none                 |
//! | trust     | `CA`                                          | system's authorities |

use super::admin::parse_endpoint;
use super::names::{self, Environment, Setting};
use super::{Server, Trust};
use std::net::IpAddr;
use std::path::PathBuf;

/// Mount of the engine where nobody says.
const MOUNT: &str = "transit";

/// How to log in.
#[derive(Clone, PartialEq, Eq)]
pub enum VaultLogin {
    /// By a token, which is renewed.
    Token(String),
    /// By the token that this file holds just then: another program renews it.
    TokenFile(PathBuf),
    /// By AppRole.
    Role {
        /// Which role.
        id: String,
        /// Its secret.
        secret: String,
    },
}

/// Where the keys of objects are sealed. Has no `Debug`, so that no log line shows the login.
#[derive(Clone, PartialEq, Eq)]
pub struct VaultConfig {
    /// Where Vault is.
    pub server: Server,
    /// Whose certificate will do.
    pub trust: Trust,
    /// Where its transit engine is mounted.
    pub mount: String,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Name of the key that is used where none is named.
    pub key: String,
    /// How to log in.
    pub login: VaultLogin,
}

/// Reads where Vault is; `None` where nobody says so.
///
/// # Errors
/// One line, without secrets.
pub(super) fn vault(environment: &mut Environment<'_>) -> Result<Option<VaultConfig>, String> {
    let endpoint = names::KMS_VAULT_ENDPOINT.own;
    let Some(found) = environment.find(&names::KMS_VAULT_ENDPOINT)? else {
        return match names::KMS_VAULT_OTHERS.iter().find(|it| environment.is_set(it)) {
            Some(other) => Err(format!("{} is set without {endpoint}", other.own)),
            None => Ok(None),
        };
    };
    let server = parse_endpoint(&found.value).map_err(|error| format!("{endpoint}: {error}"))?;
    if !server.is_secure && !is_local(&server) {
        return Err(format!(
            "{endpoint} must be https://: tokens and keys do not cross a network in the clear"
        ));
    }
    let mut text = |setting| Ok::<_, String>(environment.find(setting)?.map(|found| found.value));
    let key = text(&names::KMS_VAULT_KEY)?.filter(|key| is_key(key));
    let mount = text(&names::KMS_VAULT_MOUNT)?.unwrap_or_else(|| MOUNT.to_owned());
    let namespace = text(&names::KMS_VAULT_NAMESPACE)?;
    let trust = match text(&names::KMS_VAULT_CA)? {
        Some(path) => Trust::File(path.into()),
        None => Trust::System,
    };
    let key = key.ok_or_else(|| {
        let own = names::KMS_VAULT_KEY.own;
        format!("{own} must name a key of Vault: letters, digits, '-', '_' and '.'")
    })?;
    check_path(&names::KMS_VAULT_MOUNT, &mount)?;
    check_path(&names::KMS_VAULT_NAMESPACE, namespace.as_deref().unwrap_or(MOUNT))?;
    let login = login(environment)?;
    Ok(Some(VaultConfig { server, trust, mount, namespace, key, login }))
}

fn login(environment: &mut Environment<'_>) -> Result<VaultLogin, String> {
    let mut text = |setting| Ok::<_, String>(environment.find(setting)?.map(|found| found.value));
    let (token, file) = (text(&names::KMS_VAULT_TOKEN)?, text(&names::KMS_VAULT_TOKEN_FILE)?);
    let (id, secret) = (text(&names::KMS_VAULT_ROLE_ID)?, text(&names::KMS_VAULT_SECRET_ID)?);
    match (token, file, id, secret) {
        (Some(token), None, None, None) if is_header(&token) => Ok(VaultLogin::Token(token)),
        (None, Some(path), None, None) => Ok(VaultLogin::TokenFile(path.into())),
        (None, None, Some(id), Some(secret)) => Ok(VaultLogin::Role { id, secret }),
        _ => Err(format!(
            "Vault wants one login: {}, or {}, or {} with {}",
            names::KMS_VAULT_TOKEN.own,
            names::KMS_VAULT_TOKEN_FILE.own,
            names::KMS_VAULT_ROLE_ID.own,
            names::KMS_VAULT_SECRET_ID.own
        )),
    }
}

/// Whether a name is one for a key, and stands for itself in a path.
pub fn is_key(name: &str) -> bool {
    sealing::ring::is_name(name) && !matches!(name, "." | "..")
}

fn is_header(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn check_path(setting: &Setting, path: &str) -> Result<(), String> {
    match path.split('/').all(is_key) {
        true => Ok(()),
        false => Err(format!("bad {}: names with '/' between them are wanted", setting.own)),
    }
}

fn is_local(server: &Server) -> bool {
    let host = server.host();
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
