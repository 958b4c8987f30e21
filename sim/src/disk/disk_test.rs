//! What the simulated disk promises, through the traits that the store uses.

use super::*;
use bytes::Bytes;
use engine::env::{DiskFile, DiskSpace, Durability};

fn disk(seed: u64) -> SimDisk {
    SimDisk::new(Random::new(seed, "disk"), Timing::default())
}

async fn create(disk: &SimDisk, path: &str) -> Arc<dyn DiskFile> {
    disk.attach().create(path).await.unwrap()
}

async fn write(file: &Arc<dyn DiskFile>, offset: u64, bytes: &'static [u8]) {
    file.write(offset, vec![Bytes::from_static(bytes)], Durability::Cached).await.unwrap();
}

async fn content(disk: &SimDisk, path: &str) -> io::Result<Bytes> {
    disk.attach().open(path).await?.read(0, usize::MAX).await
}

#[tokio::test]
async fn a_process_kill_keeps_the_page_cache() {
    let disk = disk(1);
    write(&create(&disk, "a").await, 0, b"cached").await;
    disk.kill();
    assert_eq!(content(&disk, "a").await.unwrap(), "cached");
}

#[tokio::test]
async fn a_power_loss_may_take_what_was_not_synced() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..60 {
        let disk = disk(seed);
        write(&create(&disk, "a").await, 0, b"cached").await;
        disk.kill();
        disk.lose_power();
        seen.insert(content(&disk, "a").await.ok().map(|bytes| bytes.len()));
    }
    assert!(seen.contains(&None), "the entry was never lost: {seen:?}");
    assert!(seen.contains(&Some(6)), "nothing was ever kept: {seen:?}");
}

#[tokio::test]
async fn synced_content_is_gone_with_an_entry_that_was_not() {
    let mut survived = 0;
    for seed in 0..60 {
        let disk = disk(seed);
        let file = create(&disk, "a").await;
        let bytes = vec![Bytes::from_static(b"syn"), Bytes::from_static(b"ced")];
        file.write(0, bytes, Durability::Synced).await.unwrap();
        disk.lose_power();
        match content(&disk, "a").await {
            Ok(bytes) => {
                assert_eq!(bytes, "synced");
                survived += 1;
            }
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
        }
    }
    assert!(survived > 0 && survived < 60);
}

#[tokio::test]
async fn synced_content_with_a_synced_entry_survives() {
    for seed in 0..60 {
        let disk = disk(seed);
        let file = create(&disk, "a").await;
        write(&file, 0, b"synced").await;
        file.sync().await.unwrap();
        disk.attach().sync_dir("").await.unwrap();
        write(&file, 3, b"unsynced").await;
        disk.lose_power();
        let bytes = content(&disk, "a").await.unwrap();
        assert!(bytes.starts_with(b"syn") && bytes.len() >= 6, "{bytes:?}");
    }
}

#[tokio::test]
async fn handles_of_a_dead_process_do_nothing() {
    let disk = disk(1);
    let mount = disk.attach();
    let file = create(&disk, "a").await;
    let pending = file.write(0, vec![Bytes::from_static(b"late")], Durability::Synced);
    disk.kill();
    assert!(pending.await.is_err());
    assert!(file.read(0, 1).await.is_err() && file.sync().await.is_err());
    assert!(mount.create("b").await.is_err() && mount.sync_dir("").await.is_err());
    drop(file);
    assert_eq!(disk.attach().list("").await.unwrap(), ["a"]);
    assert_eq!(content(&disk, "a").await.unwrap(), "");
}

#[tokio::test]
async fn an_operation_happens_though_nobody_waits_for_it() {
    let disk = disk(1);
    let file = create(&disk, "a").await;
    drop(file.write(0, vec![Bytes::from_static(b"dropped")], Durability::Cached));
    while content(&disk, "a").await.unwrap() != "dropped" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_removed_file_is_readable_while_open_and_then_gives_its_room_back() {
    let disk = disk(1);
    disk.set_faults(DiskFaults { capacity: Some(8192), ..DiskFaults::default() });
    let mount = disk.attach();
    let file = create(&disk, "a").await;
    write(&file, 0, b"still here").await;
    mount.remove("a").await.unwrap();
    assert_eq!(mount.space().await.unwrap().free, 4096);
    assert_eq!(file.read(0, 100).await.unwrap(), "still here");
    assert_eq!(file.len().await.unwrap(), 10);
    drop(file);
    assert_eq!(mount.space().await.unwrap(), DiskSpace { total: 8192, free: 8192 });
    assert!(mount.open("a").await.is_err());
}

#[tokio::test]
async fn a_write_beyond_the_room_fails_and_rewriting_does_not() {
    let disk = disk(1);
    disk.set_faults(DiskFaults { capacity: Some(4096), ..DiskFaults::default() });
    let file = create(&disk, "a").await;
    write(&file, 0, b"fits").await;
    write(&file, 100, b"fits too").await;
    let beyond = file.write(4090, vec![Bytes::from_static(b"does not fit")], Durability::Cached);
    assert_eq!(beyond.await.unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(disk.statistics().errors, 1);
}

#[tokio::test]
async fn error_knobs_fail_reads_writes_and_syncs() {
    let disk = disk(1);
    let file = create(&disk, "a").await;
    disk.attach().sync_dir("").await.unwrap();
    write(&file, 0, b"before").await;
    let faults = |read, write, sync| DiskFaults {
        read_error_per_mille: read,
        write_error_per_mille: write,
        sync_error_per_mille: sync,
        ..DiskFaults::default()
    };
    disk.set_faults(faults(1000, 0, 0));
    assert_eq!(file.read(0, 1).await.unwrap_err().raw_os_error(), Some(EIO));
    disk.set_faults(faults(0, 1000, 0));
    let failing = file.write(0, vec![Bytes::from_static(b"after!")], Durability::Cached);
    assert_eq!(failing.await.unwrap_err().raw_os_error(), Some(EIO));
    disk.set_faults(faults(0, 0, 1000));
    assert_eq!(file.sync().await.unwrap_err().raw_os_error(), Some(EIO));
    disk.set_faults(faults(0, 0, 0));
    file.sync().await.unwrap();
    assert_eq!(file.read(0, 9).await.unwrap().len(), 6);
    disk.lose_power();
    let bytes = content(&disk, "a").await.unwrap();
    assert!(
        bytes.iter().all(|byte| *byte == 0),
        "a failed sync never reached the medium: {bytes:?}"
    );
}

#[tokio::test]
async fn rot_is_silent() {
    let disk = disk(1);
    let file = create(&disk, "a").await;
    file.write(0, vec![Bytes::from_static(b"abc")], Durability::Synced).await.unwrap();
    disk.rot("a", 1, 0).unwrap();
    assert_eq!(file.read(0, 3).await.unwrap(), "acc");
    assert!(disk.rot("b", 1, 0).is_err());
}

#[tokio::test]
async fn a_rename_moves_the_file_and_frees_what_it_replaces() {
    let disk = disk(1);
    let mount = disk.attach();
    write(&create(&disk, "old").await, 0, b"old").await;
    write(&create(&disk, "new").await, 0, b"new").await;
    mount.rename("new", "old").await.unwrap();
    mount.create_dir("d").await.unwrap();
    mount.create_dir("d").await.unwrap();
    assert_eq!(mount.list("").await.unwrap(), ["old"]);
    assert_eq!(content(&disk, "old").await.unwrap(), "new");
    let again = mount.create("old").await.map(|_| ());
    assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn the_digest_sees_names_and_bytes() {
    let (first, second, third) = (disk(1), disk(1), disk(1));
    write(&create(&first, "a").await, 0, b"x").await;
    write(&create(&second, "a").await, 0, b"x").await;
    write(&create(&third, "a").await, 0, b"y").await;
    assert_eq!(first.digest(), second.digest());
    assert_ne!(first.digest(), third.digest());
}
