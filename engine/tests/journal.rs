//! The journal on a real disk: what it keeps, what it cuts, and what it refuses to cut.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests damage files on purpose"
)]

use engine::env::Disk;
use engine::env::real::RealDisk;
use engine::format::PAGE_LEN;
use engine::format::batch::JournalRecord;
use engine::journal::{JOURNAL_DIR, Journal, JournalConfig, Recovery};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CONFIG: JournalConfig = JournalConfig { file_len: 64 << 10, file_count_max: 3 };

async fn disk(path: &Path) -> Arc<dyn Disk> {
    let disk = RealDisk::open(path).unwrap();
    disk.create_dir(JOURNAL_DIR).await.unwrap();
    Arc::new(disk)
}

fn record(number: u64, len: usize) -> JournalRecord {
    let mut body = number.to_le_bytes().to_vec();
    body.resize(len, number as u8);
    JournalRecord::new(0, body)
}

async fn write(disk: &Arc<dyn Disk>, generation: u64, count: u64, len: usize) -> Journal {
    let journal = Journal::begin(disk.clone(), CONFIG, generation, 1).await.unwrap();
    for number in 1..=count {
        assert_eq!(journal.append(vec![record(number, len)]).await.unwrap(), number);
    }
    journal
}

async fn recover(
    disk: &Arc<dyn Disk>,
    generation: u64,
    checkpoint: u64,
) -> Result<Vec<u64>, String> {
    let recovery = Recovery::open(vec![disk.clone()], generation, checkpoint).await;
    let mut recovery = recovery.map_err(|error| error.to_string())?;
    let mut sequences = Vec::new();
    while let Some(batch) = recovery.next_batch().await.map_err(|error| error.to_string())? {
        let number = u64::from_le_bytes(batch.records[0].head[..8].try_into().unwrap());
        assert_eq!(batch.sequence, number);
        sequences.push(batch.sequence);
    }
    Ok(sequences)
}

/// Where the pages of the first file lie: one batch of less than a page each.
fn first_file(path: &Path) -> PathBuf {
    let mut names: Vec<_> = std::fs::read_dir(path.join(JOURNAL_DIR))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    names.remove(0)
}

fn damage(file: &Path, batch: u64, at: usize) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[((batch - 1) * PAGE_LEN) as usize + at] ^= 0x40;
    std::fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn appended_batches_are_recovered_behind_the_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let disk = disk(directory.path()).await;
    write(&disk, 5, 6, 100).await;
    assert_eq!(recover(&disk, 5, 0).await, Ok((1..=6).collect()));
    assert_eq!(recover(&disk, 5, 4).await, Ok(vec![5, 6]));
    assert_eq!(recover(&disk, 0, 0).await, Ok(vec![]), "a new disk");
    assert!(recover(&disk, 6, 0).await.is_err(), "a generation whose files are gone");
}

#[tokio::test]
async fn torn_batch_at_the_tail_is_cut() {
    let directory = tempfile::tempdir().unwrap();
    let disk = disk(directory.path()).await;
    write(&disk, 5, 6, 100).await;
    damage(&first_file(directory.path()), 6, 90);
    assert_eq!(recover(&disk, 5, 0).await, Ok((1..=5).collect()));
}

#[tokio::test]
async fn rotten_batch_before_an_intact_one_is_refused() {
    for at in [0, 4, 20, 90] {
        let directory = tempfile::tempdir().unwrap();
        let disk = disk(directory.path()).await;
        write(&disk, 5, 6, 100).await;
        damage(&first_file(directory.path()), 3, at);
        let refused = recover(&disk, 5, 0).await.unwrap_err();
        assert!(refused.contains("journal is damaged"), "{refused}");
        assert_eq!(recover(&disk, 5, 3).await, Ok((4..=6).collect()), "a checkpoint has it");
    }
}

#[tokio::test]
async fn full_ring_waits_for_a_checkpoint_and_goes_round() {
    let directory = tempfile::tempdir().unwrap();
    let disk = disk(directory.path()).await;
    // Three files of two batches each.
    let journal = write(&disk, 5, 6, 30_000).await;
    let blocked = tokio::spawn({
        let journal = journal.clone();
        async move { journal.append(vec![record(7, 30_000)]).await }
    });
    tokio::task::yield_now().await;
    assert!(!blocked.is_finished(), "J3: nothing is free yet");
    journal.release(3);
    assert_eq!(blocked.await.unwrap().unwrap(), 7);
    for number in 8..50 {
        journal.release(number - 3);
        assert_eq!(journal.append(vec![record(number, 30_000)]).await.unwrap(), number);
    }
    assert_eq!(recover(&disk, 5, 46).await, Ok(vec![47, 48, 49]));
}

#[tokio::test]
async fn waiting_appends_share_a_batch_and_a_too_long_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let disk = disk(directory.path()).await;
    let journal = Journal::begin(disk.clone(), CONFIG, 5, 1).await.unwrap();
    let appends = (0..50).map(|number| {
        let journal = journal.clone();
        tokio::spawn(async move { journal.append(vec![record(number, 64)]).await.unwrap() })
    });
    let mut last = 0;
    for append in appends.collect::<Vec<_>>() {
        last = last.max(append.await.unwrap());
    }
    assert!(last < 50, "50 appends took {last} batches");
    assert!(journal.append(vec![record(1, 70_000)]).await.is_err());
}
