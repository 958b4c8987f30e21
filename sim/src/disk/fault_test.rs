//! Every class of the catalogue: that it happens, what a process sees of it, that it is counted.

use super::*;
use engine::env::{DiskFile, Durability};
use std::time::Duration;

const INLINE: Manner = Manner::Inline { yield_per_mille: 0 };

struct Bench {
    machine: Machine,
    disk: SimDisk,
    place: Place,
}

impl Bench {
    fn new() -> Self {
        let machine = Machine::default();
        let disk = SimDisk::on(&machine, Random::new(1, "fault"), Timing::default(), INLINE);
        let place = Place::new(&machine);
        place.mount(Some(&disk));
        Self { machine, disk, place }
    }

    fn other(&self, seed: u64) -> SimDisk {
        SimDisk::on(&self.machine, Random::new(seed, "fault"), Timing::default(), INLINE)
    }

    /// A durable file with so many bytes of a value.
    async fn file(&self, path: &str, byte: u8, len: usize) -> Arc<dyn DiskFile> {
        let mount = self.place.attach();
        let file = mount.create(path).await.unwrap();
        file.write(0, vec![Bytes::from(vec![byte; len])], Durability::Synced).await.unwrap();
        mount.sync_dir("").await.unwrap();
        file
    }

    fn counted(&self, fault: Fault) -> (u64, u64) {
        let counts = self.disk.counts();
        (counts.injected[fault as usize], counts.effective[fault as usize])
    }
}

fn code<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

#[tokio::test]
async fn d3_a_lost_write_shows_the_old_bytes_after_a_sync_that_said_yes() {
    let bench = Bench::new();
    let file = bench.file("a", 1, 4096).await;
    bench.disk.plan_sync(Some(Fault::LostWrite), None);
    file.write(0, vec![Bytes::from(vec![2; 512])], Durability::Synced).await.unwrap();
    assert_eq!(bench.counted(Fault::LostWrite), (1, 0));
    assert_eq!(bench.disk.damaged_count(), 1);
    assert_eq!(file.read(0, 512).await.unwrap(), vec![1; 512]);
    assert_eq!(bench.counted(Fault::LostWrite), (1, 1));
    file.write(0, vec![Bytes::from(vec![2; 512])], Durability::Synced).await.unwrap();
    assert_eq!(bench.disk.damaged_count(), 0, "the next one reaches the medium");
}

#[tokio::test]
async fn d4_a_misdirected_write_spoils_its_own_place_and_another() {
    let bench = Bench::new();
    let file = bench.file("a", 1, 64 << 10).await;
    bench.disk.plan_sync(Some(Fault::MisdirectedWrite), None);
    file.write(0, vec![Bytes::from(vec![2; 512])], Durability::Synced).await.unwrap();
    let bytes = file.read(0, 64 << 10).await.unwrap();
    assert_eq!(bytes[..512], vec![1; 512]);
    assert_eq!(bytes.iter().filter(|byte| **byte == 2).count(), 512, "it landed somewhere else");
    assert_eq!(bench.disk.damaged_count(), 2);
    assert_eq!(bench.counted(Fault::MisdirectedWrite), (1, 2));
}

#[tokio::test]
async fn d5_a_misdirected_read_gives_well_formed_bytes_of_another_place() {
    let bench = Bench::new();
    let file = bench.file("a", 1, 4096).await;
    bench.file("b", 2, 4096).await;
    bench.disk.set_faults(DiskFaults { read_elsewhere_per_mille: 1000, ..DiskFaults::default() });
    let mut values = Vec::new();
    for _ in 0..20 {
        values.push(file.read(0, 1).await.unwrap()[0]);
    }
    bench.disk.set_faults(DiskFaults::default());
    assert!(values.contains(&2), "{values:?}");
    assert_eq!(file.read(0, 1).await.unwrap()[0], 1, "only that read was wrong");
    let (injected, effective) = bench.counted(Fault::MisdirectedRead);
    assert!(injected > 0 && injected == effective);
}

#[tokio::test]
async fn d6_a_latent_sector_fails_until_it_is_written() {
    let bench = Bench::new();
    let file = bench.file("a", 1, 4096).await;
    bench.disk.spoil("a", 700).unwrap();
    assert_eq!(file.read(0, 512).await.unwrap().len(), 512);
    assert_eq!(code(file.read(0, 4096).await), Some(EIO));
    assert_eq!(code(file.read(600, 1).await), Some(EIO), "it stays so");
    assert_eq!(bench.counted(Fault::LatentSector), (1, 1));
    file.write(512, vec![Bytes::from(vec![3; 512])], Durability::Synced).await.unwrap();
    assert_eq!(file.read(600, 1).await.unwrap(), vec![3]);
}

#[tokio::test]
async fn d7_rot_is_silent_and_counted_when_it_is_read() {
    let bench = Bench::new();
    let file = bench.file("dir-a", 0, 4096).await;
    let (path, _) = bench.disk.draw_place("dir-").unwrap();
    assert!(bench.disk.draw_place("other").is_none());
    bench.disk.rot(&path, 2000, 0).unwrap();
    assert_eq!(file.read(0, 512).await.unwrap(), vec![0; 512]);
    assert_eq!(bench.counted(Fault::BitRot), (1, 0));
    assert_eq!(file.read(0, 4096).await.unwrap()[2000], 1);
    assert_eq!(bench.counted(Fault::BitRot), (1, 1));
    bench.machine.kill();
    bench.disk.lose_power();
    assert_eq!(bench.disk.damaged_count(), 1, "rot survives everything but a write");
}

#[tokio::test]
async fn d8_an_error_may_come_once() {
    let bench = Bench::new();
    let file = bench.file("a", 1, 512).await;
    let faults = |per_mille| DiskFaults {
        read_error_per_mille: per_mille,
        write_error_per_mille: per_mille,
        ..DiskFaults::default()
    };
    bench.disk.set_faults(faults(1000));
    assert_eq!(code(file.read(0, 1).await), Some(EIO));
    let write = file.write(0, vec![Bytes::from_static(b"x")], Durability::Cached);
    assert_eq!(code(write.await), Some(EIO));
    bench.disk.set_faults(faults(0));
    assert!(file.read(0, 1).await.is_ok());
    assert_eq!(bench.counted(Fault::TransientError), (2, 2));
}

#[tokio::test]
async fn d9_d10_a_failed_sync_is_told_once_and_the_next_one_lies() {
    for is_reverted in [false, true] {
        let bench = Bench::new();
        let file = bench.file("a", 1, 512).await;
        bench.disk.set_faults(DiskFaults { is_reverted, ..DiskFaults::default() });
        bench.disk.plan_sync(Some(Fault::SyncError), None);
        let write = file.write(0, vec![Bytes::from(vec![2; 512])], Durability::Synced);
        assert_eq!(code(write.await), Some(EIO));
        assert_eq!(bench.counted(Fault::SyncError), (1, 1));
        file.sync().await.unwrap();
        let shown = if is_reverted { 1 } else { 2 };
        assert_eq!(file.read(0, 1).await.unwrap(), vec![shown]);
        let untold = if is_reverted { (0, 0) } else { (1, 1) };
        assert_eq!(bench.counted(Fault::SyncErrorUntold), untold);
        bench.disk.lose_power();
        assert_eq!(bench.disk.content("a").unwrap(), vec![1; 512]);
    }
}

#[tokio::test]
async fn d10_a_failed_write_back_is_told_to_those_who_had_the_file_open() {
    let bench = Bench::new();
    let early = bench.file("a", 1, 512).await;
    early.write(0, vec![Bytes::from(vec![2; 512])], Durability::Cached).await.unwrap();
    let faults = DiskFaults { write_back_error_per_mille: 1000, ..DiskFaults::default() };
    bench.disk.set_faults(faults);
    early.write(4096, vec![Bytes::from(vec![2; 512])], Durability::Cached).await.unwrap();
    bench.disk.set_faults(DiskFaults::default());
    let late = bench.place.attach().open("a").await.unwrap();
    late.sync().await.unwrap();
    assert_eq!(bench.counted(Fault::SyncErrorUntold), (1, 1));
    assert_eq!(code(early.sync().await), Some(EIO));
    early.sync().await.unwrap();
}

#[tokio::test]
async fn d11_no_room_is_for_new_files_as_well_and_comes_back() {
    let bench = Bench::new();
    let file = bench.file("a", 1, 4096).await;
    bench.disk.set_faults(DiskFaults { capacity: Some(4096), ..DiskFaults::default() });
    let mount = bench.place.attach();
    assert_eq!(code(mount.create("b").await), Some(ENOSPC));
    let write = file.write(4096, vec![Bytes::from_static(b"x")], Durability::Cached);
    assert_eq!(code(write.await), Some(ENOSPC));
    bench.disk.set_faults(DiskFaults { capacity: Some(8192), ..DiskFaults::default() });
    assert!(mount.create("b").await.is_ok());
    assert_eq!(bench.counted(Fault::NoSpace), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn d13_slow_operations_come_in_bursts() {
    let bench = Bench::new();
    let file = bench.file("a", 1, 4096).await;
    let timing = Timing { slow_per_mille: 100, slow_ms_max: 50, burst_len: 4, ..Timing::default() };
    bench.disk.set_timing(timing);
    let mut slow = Vec::new();
    for _ in 0..200 {
        let begin = tokio::time::Instant::now();
        file.read(0, 1).await.unwrap();
        slow.push(begin.elapsed() > Duration::ZERO);
    }
    let (injected, effective) = bench.counted(Fault::Slow);
    assert!(injected == effective && injected == slow.iter().filter(|slow| **slow).count() as u64);
    assert!(slow.windows(4).any(|four| four.iter().all(|slow| *slow)), "a burst of four");
    assert!(slow.contains(&false));
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_nobody_waits_for_happens_inside_its_caller_too() {
    let bench = Bench::new();
    let file = bench.file("a", 1, 4).await;
    let timing = Timing {
        slow_per_mille: 1000,
        slow_sync_per_mille: 1000,
        slow_ms_max: 9,
        burst_len: 1,
        ..Timing::default()
    };
    bench.disk.set_timing(timing);
    drop(file.write(0, vec![Bytes::from_static(b"done")], Durability::Synced));
    bench.disk.set_timing(Timing::default());
    assert_eq!(file.read(0, 4).await.unwrap(), "done");
    bench.disk.lose_power_as(PowerLoss::Nothing);
    assert_eq!(bench.disk.content("a").unwrap(), "done");
}

#[tokio::test]
async fn d14_a_lost_disk_fails_everything() {
    let bench = Bench::new();
    let file = bench.file("a", 1, 512).await;
    bench.disk.set_lost(true);
    assert_eq!(bench.counted(Fault::DiskLoss), (1, 0));
    assert_eq!(code(file.read(0, 1).await), Some(EIO));
    assert_eq!(code(file.sync().await), Some(EIO));
    let mount = bench.place.attach();
    assert_eq!(code(mount.list("").await), Some(EIO));
    assert_eq!(code(mount.open("a").await), Some(EIO));
    assert_eq!(bench.counted(Fault::DiskLoss), (1, 1));
}

#[tokio::test]
async fn d14_a_dying_disk_loses_more_and_more_sectors() {
    let bench = Bench::new();
    let file = bench.file("a", 1, 64 << 10).await;
    bench.disk.set_faults(DiskFaults { dying_per_mille: 100, ..DiskFaults::default() });
    bench.disk.arm(Fault::DiskLoss);
    let mut errors = 0;
    for sector in 0..128 {
        errors += u32::from(file.read(sector * 512, 512).await.is_err());
    }
    assert!(errors > 5);
    assert!(bench.disk.faults().dying_per_mille > 150);
    assert_eq!(bench.counted(Fault::DiskLoss), (1, 1));
}

#[tokio::test]
async fn d15_to_d18_another_medium_in_the_place_is_seen_and_old_handles_are_dead() {
    for fault in [Fault::Blank, Fault::Swapped, Fault::Stale, Fault::RolledBack] {
        let bench = Bench::new();
        let file = bench.file("a", 1, 512).await;
        let other = bench.other(2);
        other.arm(fault);
        let mount = bench.place.attach();
        bench.place.mount(Some(&other));
        assert_eq!(code(file.read(0, 1).await), Some(ENODEV));
        assert!(mount.list("").await.unwrap().is_empty());
        let counts = other.counts();
        assert_eq!((counts.injected[fault as usize], counts.effective[fault as usize]), (1, 1));
        bench.place.mount(Some(&bench.disk));
        assert_eq!(mount.list("").await.unwrap(), ["a"], "the old one comes back");
    }
}

#[tokio::test]
async fn d18_an_image_brings_back_an_earlier_state() {
    let bench = Bench::new();
    bench.file("a", 1, 512).await;
    let image = bench.disk.image();
    let digest = bench.disk.digest();
    bench.file("b", 2, 512).await;
    bench.place.attach().remove("a").await.unwrap();
    bench.disk.kill();
    bench.disk.restore(&image);
    assert_eq!(bench.disk.digest(), digest);
    assert_eq!(bench.place.attach().list("").await.unwrap(), ["a"]);
    bench.disk.wipe();
    assert!(bench.disk.is_blank());
}

#[tokio::test]
async fn an_image_of_another_disk_shares_no_file_with_what_is_created_later() {
    let bench = Bench::new();
    for name in ["a", "b", "c"] {
        bench.file(name, 1, 512).await;
    }
    let other = bench.other(2);
    bench.place.mount(Some(&other));
    other.restore(&bench.disk.image());
    bench.file("d", 4, 512).await;
    for name in ["a", "b", "c"] {
        assert_eq!(other.content(name).unwrap(), vec![1; 512], "{name}");
    }
}

#[tokio::test]
async fn d19_a_read_only_file_system_refuses_changes_only() {
    let bench = Bench::new();
    let file = bench.file("a", 1, 512).await;
    bench.disk.set_read_only(true);
    let mount = bench.place.attach();
    let write = file.write(0, vec![Bytes::from_static(b"x")], Durability::Cached);
    assert_eq!(code(write.await), Some(EROFS));
    assert_eq!(code(mount.create("b").await), Some(EROFS));
    assert_eq!(code(mount.remove("a").await), Some(EROFS));
    assert_eq!(file.read(0, 512).await.unwrap(), vec![1; 512]);
    assert_eq!(bench.counted(Fault::ReadOnly), (1, 1));
}

#[tokio::test]
async fn d20_an_absent_mount_shows_nothing_or_is_not_there() {
    let bench = Bench::new();
    bench.file("a", 1, 512).await;
    let below = bench.other(2);
    below.set_root();
    below.arm(Fault::AbsentMount);
    let mount = bench.place.attach();
    bench.place.mount(Some(&below));
    assert!(mount.list("").await.unwrap().is_empty());
    assert_eq!(below.counts().effective[Fault::AbsentMount as usize], 1);
    bench.place.mount(None);
    assert_eq!(mount.list("").await.unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[tokio::test]
async fn d21_d22_names_and_sizes_are_counted_when_the_power_takes_them() {
    let bench = Bench::new();
    let file = bench.file("a", 1, 512).await;
    file.write(512, vec![Bytes::from(vec![2; 512])], Durability::Cached).await.unwrap();
    bench.place.attach().create("b").await.unwrap();
    bench.disk.lose_power_as(PowerLoss::Nothing);
    assert_eq!(bench.place.attach().list("").await.unwrap(), ["a"]);
    assert_eq!(bench.disk.content("a").unwrap(), vec![1; 512]);
    assert_eq!(bench.counted(Fault::LostName), (1, 1));
    assert_eq!(bench.counted(Fault::LostSize), (1, 1));
    assert_eq!(bench.counted(Fault::LostUnsynced), (1, 1));
}

#[tokio::test]
async fn d23_a_file_vanishes_or_a_listing_misses_it() {
    let bench = Bench::new();
    bench.file("a", 1, 512).await;
    bench.file("b", 2, 512).await;
    bench.disk.vanish("a").unwrap();
    let mount = bench.place.attach();
    assert!(mount.open("a").await.is_err());
    bench.disk.lose_power();
    let mount = bench.place.attach();
    assert_eq!(mount.list("").await.unwrap(), ["b"], "it does not come back");
    bench.disk.set_faults(DiskFaults { unlisted_per_mille: 1000, ..DiskFaults::default() });
    assert!(mount.list("").await.unwrap().is_empty());
    assert!(mount.open("b").await.is_ok());
    assert_eq!(bench.counted(Fault::Vanished), (2, 2));
}

#[tokio::test]
async fn planned_power_losses_take_what_they_say() {
    for (loss, expected) in [
        (PowerLoss::Nothing, [0, 0, 0]),
        (PowerLoss::Everything, [512, 512, 512]),
        (PowerLoss::LastTorn, [512, 512, 256]),
        (PowerLoss::Reordered, [512, 0, 512]),
    ] {
        let bench = Bench::new();
        let file = bench.file("a", 0, 12_288).await;
        for page in 0..3 {
            let bytes = vec![Bytes::from(vec![7; 512])];
            file.write(page * 4096, bytes, Durability::Cached).await.unwrap();
        }
        bench.disk.lose_power_as(loss);
        let bytes = bench.disk.content("a").unwrap();
        let kept = |page: usize| bytes[page * 4096..][..512].iter().filter(|byte| **byte == 7);
        assert_eq!([0, 1, 2].map(|page| kept(page).count()), expected, "{loss:?}");
    }
    let bench = Bench::new();
    let file = bench.file("a", 0, 12_288).await;
    for page in 0..3 {
        let bytes = vec![Bytes::from(vec![7; 512])];
        file.write(page * 4096, bytes, Durability::Cached).await.unwrap();
    }
    bench.disk.lose_power_as(PowerLoss::OneDropped);
    let bytes = bench.disk.content("a").unwrap();
    assert_eq!(bytes.iter().filter(|byte| **byte == 7).count(), 1024);
}

#[tokio::test]
async fn a_process_dies_for_all_disks_at_its_last_step() {
    let bench = Bench::new();
    let other = bench.other(2);
    let (first, second) = (bench.place.attach(), other.attach());
    bench.machine.kill_after(Some(2));
    let process = bench.machine.incarnation();
    first.create("a").await.unwrap();
    second.create("a").await.unwrap();
    assert!(first.create("b").await.is_err() && second.create("b").await.is_err());
    bench.machine.died(process).await;
    assert_eq!((bench.disk.open_count(), other.open_count()), (0, 0));
    assert!(!bench.machine.kill_after(None));
}
