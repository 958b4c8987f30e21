//! What a store of many small objects costs, and how fast it starts again, beside what the design
//! expects. Figures of whole runs, on real directories:
//!
//! ```text
//! cargo run --release -p benches --bin scale -- fill --dirs /d1 --objects 1000000 --len 256
//! ... scale fill --dirs /d1 /d2 /d3 /d4 --objects 1000000 --len 1024 --overwrite 30 --delete 20
//! ... scale fill --dirs /d1 --objects 10000000 --len 256 --then-abort
//! ... scale open --dirs /d1 --objects 10000000
//! ... scale index --dirs /d1 --rows 100000000
//! ... scale repair --dirs /dev/shm/{1,2,3,4,5,6,7,8} --objects 256 --len 4194304 --lost 4
//! ```
//!
//! - `fill` opens a node inside the process, puts objects, then overwrites and deletes a share of
//!   them. It prints rates, bytes handed to the disks by kind of file, write amplification, bytes
//!   on disk, space amplification and resident memory. `--clients` (64) put at once;
//!   `--then-abort` ends the process in the middle of further puts instead, with
//!   `--memtable-mib 1024` when the ring of the journal is nearly full.
//! - `open` times the start after that until a known object is read, and verifies `--looks` more.
//! - `index` fills the metadata store alone with rows whose bodies lie elsewhere, merges as a node
//!   does, and looks random rows up. It needs up to 350 bytes of disk a row while merging, and
//!   stops when less than `--free-min-gib` (6) are left.
//!
//! - `repair` fills a store, empties `--lost` of its directories and times their rebuilding;
//!   `--parity` for another geometry than the default.
//!
//! Directories must be empty for `index`, and `fill` leaves out the first puts where they were made
//! before; nothing is removed. Keys are scattered: no
//! two neighbours in time are neighbours in order, which is the worst case for the index.
//!
//! Modules in reading order: [`objects`] (what is written), [`count`] (what reaches the disks),
//! [`store`], [`load`], [`fill`], [`report`], [`open`], [`index`], [`index_report`],
//! [`lookup`].

mod arguments;
mod count;
mod fill;
mod index;
mod index_report;
mod load;
mod lookup;
mod objects;
mod open;
mod process;
mod repair;
mod report;
mod store;

use arguments::Arguments;
use std::process::ExitCode;
use store::Failure;
use tokio::runtime::Builder;

/// Names that may be given.
const NAMES: [&str; 13] = [
    "dirs",
    "objects",
    "len",
    "clients",
    "overwrite",
    "delete",
    "then-abort",
    "memtable-mib",
    "looks",
    "rows",
    "free-min-gib",
    "lost",
    "parity",
];

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("scale: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<(), Failure> {
    let arguments = Arguments::parse(std::env::args().skip(1), &NAMES)?;
    let runtime = Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        match arguments.command.as_str() {
            "fill" => fill::run(&arguments).await,
            "open" => open::run(&arguments).await,
            "repair" => repair::run(&arguments).await,
            "index" => index::run(&arguments).await,
            other => Err(format!("{other} is no subcommand")),
        }
    })
}
