//! Point lookups of random rows, one after the other: those that exist and those that do not.

use crate::index::BODY_LEN;
use crate::objects;
use crate::store::Failure;
use engine::meta::MetaStore;
use tokio::time::Instant;

/// Lookups of each kind.
const LOOKUPS: u64 = 50_000;

/// Looks rows up and prints how long it takes.
///
/// # Errors
/// One line.
pub async fn run(store: &MetaStore, count: u64) -> Result<(), Failure> {
    for (name, is_there) in [("hits", true), ("misses", false)] {
        let mut nanos = Vec::with_capacity(LOOKUPS as usize);
        for look in 0..LOOKUPS {
            let position = look.wrapping_mul(0x9E37_79B9_7F4A_7C15) % count;
            let number = objects::scattered(position, count) + if is_there { 0 } else { count };
            let key = objects::row_key(number);
            let began = Instant::now();
            let found = store.get(&key).await.map_err(|error| error.to_string())?;
            nanos.push(began.elapsed().as_nanos() as u64);
            let expected = is_there.then(|| objects::row(number, BODY_LEN));
            if found != expected {
                return Err(format!("row {number} differs"));
            }
        }
        nanos.sort_unstable();
        let at = |share: usize| nanos[(nanos.len() - 1) * share / 1000] as f64 / 1e3;
        let [median, late, later, longest] = [500, 990, 999, 1000].map(at);
        print!("lookups, {name}: p50 {median:.0} us, p99 {late:.0} us, ");
        println!("p99.9 {later:.0} us, longest {longest:.0} us");
    }
    println!("expected: a page for each run asked, and a block for a hit, from the page cache of");
    println!("  the kernel or the disk where the 32 MiB of ours do not hold them");
    Ok(())
}
