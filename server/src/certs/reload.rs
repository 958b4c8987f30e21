//! New certificates while the server runs.
//!
//! Programs that renew certificates differ in what they can do: some send a signal, some turn a
//! link, most only write files. So files are looked at now and then, and at once on SIGHUP.

use super::layout::{self, Stamp};
use super::table::Table;
use super::tls::Tls;
use crate::config::CertsDir;
use engine::env::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::Signal;

/// How often files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(15);

/// Serves what the directory holds, for ever. `loaded` is how it looked before it was loaded.
pub async fn keep_fresh(
    tls: Arc<Tls>,
    dir: CertsDir,
    clock: Arc<dyn Clock>,
    mut hangup: Signal,
    mut loaded: Stamp,
) {
    loop {
        let is_asked = tokio::select! {
            biased;
            _ = hangup.recv() => true,
            () = tokio::time::sleep(LOOK_INTERVAL) => false,
        };
        let stamp = look(&dir).await;
        if !is_asked && stamp == loaded {
            continue;
        }
        // A pair that is broken is complained about once, until it changes again.
        loaded = stamp;
        match load(&dir).await {
            Ok(table) => {
                super::report(&table, clock.unix_nanos());
                tls.replace(table);
                tracing::info!("certificates reloaded");
            }
            Err(problem) => {
                tracing::error!(problem, "certificates not reloaded: the old ones stay");
            }
        }
    }
}

/// Files may lie on a network: nobody waits for them but this.
async fn look(dir: &CertsDir) -> Stamp {
    let path = dir.path.clone();
    tokio::task::spawn_blocking(move || layout::stamp(&path)).await.expect("looking cannot fail")
}

async fn load(dir: &CertsDir) -> Result<Arc<Table>, String> {
    // Certificates that went away are a mistake: the way to plain HTTP is a restart.
    let dir = CertsDir { is_given: true, ..dir.clone() };
    let loading = tokio::task::spawn_blocking(move || super::load(&dir));
    let table = loading.await.expect("loading cannot panic")?;
    Ok(Arc::new(table.expect("a directory that is asked for has a pair")))
}
