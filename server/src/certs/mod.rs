//! TLS: certificates in files, in the layout that MinIO's users have, and their change while the
//! server runs.
//!
//! ```text
//! DIR/public.crt     DIR/private.key       the default certificate
//! DIR/NAME/public.crt, private.key         another one; the folder's name is only a name
//! DIR/CAs/                                 authorities that others may have signed: not served
//!
//! files --layout--> bytes --pair--> key and names --table--> which name gets which --tls--> rustls
//!   ^                                                                                         |
//!   +------------- reload: SIGHUP, or files that changed --------------------------------------+
//! ```
//!
//! - C1: the names in a certificate decide for whom it is shown; who asks for no name, or for one
//!   that none has, gets the default.
//! - C2: a broken pair stops the start. There is no way from a broken pair to plain HTTP.
//! - C3: a broken pair at a reload changes nothing: all of the new files are served, or none.
//! - C4: a private key stands in no log line and no error.
//!
//! In reading order: [`layout`], [`pair`], [`der`], [`table`], [`tls`], [`reload`].

mod der;
mod layout;
mod pair;
mod reload;
mod table;
mod tls;

pub use layout::stamp;
pub use reload::keep_fresh;
pub use table::Table;
pub use tls::{Tls, provider};

use crate::config::CertsDir;
use pair::Problem;

/// A certificate that ends sooner than this is warned about.
const EXPIRY_WARNING_DAYS: u64 = 14;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const SECONDS_PER_DAY: u64 = 86_400;

/// Loads what a directory holds; `None` where it holds nothing and nobody asked for it.
///
/// # Errors
/// One line (C2).
pub fn load(dir: &CertsDir) -> Result<Option<Table>, String> {
    let found = layout::find(&dir.path)?;
    if found.is_empty() {
        let shown = dir.path.display();
        return if dir.is_given {
            Err(format!("no certificate in {shown}: public.crt and private.key are wanted there"))
        } else {
            Ok(None)
        };
    }
    let mut pairs = Vec::new();
    for files in found {
        let (certificate, key) = files.read()?;
        let parsed = pair::parse(&certificate, &key, &tls::provider());
        let pair = parsed.map_err(|problem| match problem {
            Problem::Certificate(text) => format!("{} {text}", files.certificate.display()),
            Problem::Key(text) => format!("{} {text}", files.key.display()),
        })?;
        pairs.push((files, pair));
    }
    Ok(Some(Table::new(pairs)))
}

/// Says in the log what is served, and what will not do for long.
pub fn report(table: &Table, now: u64) {
    let now = now / NANOS_PER_SECOND;
    for served in table.served() {
        let names = served.names.join(", ");
        let (path, end) = (served.path.display(), served.shown_end());
        tracing::info!(%path, %names, not_after = end, "certificate served");
        if served.is_key_open {
            tracing::warn!(%path, "others can read the certificate's private key: chmod 600");
        }
        if served.names.is_empty() {
            tracing::warn!(%path, "certificate has no DNS name: clients may refuse it");
        }
        if served.not_after.is_some_and(|end| end <= now) {
            tracing::warn!(%path, not_after = end, "certificate has expired");
        } else if served.ends_before(now + EXPIRY_WARNING_DAYS * SECONDS_PER_DAY) {
            tracing::warn!(%path, not_after = end, "certificate expires soon");
        }
    }
    for (name, path) in table.shadowed() {
        let path = path.display();
        tracing::warn!(name, %path, "another certificate has this name too and is served");
    }
}
