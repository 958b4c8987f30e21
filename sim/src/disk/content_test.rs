//! What a file's bytes promise, against a plain vector and against power losses.

use super::*;

const ALL_LOST: Survival = Survival::Drawn { kept_per_mille: 0, torn_per_mille: 0 };
const ALL_KEPT: Survival = Survival::Drawn { kept_per_mille: 1000, torn_per_mille: 0 };

fn random() -> Random {
    Random::new(1, "content")
}

fn put(content: &mut Content, offset: u64, bytes: &[u8]) {
    content.write(offset, &Bytes::copy_from_slice(bytes), 1, &mut random());
}

fn written(parts: &[(u64, &[u8])]) -> Content {
    let mut content = Content::default();
    for (offset, bytes) in parts {
        content.write(*offset, &Bytes::copy_from_slice(bytes), 1, &mut random());
    }
    content
}

#[test]
fn a_file_matches_a_plain_vector() {
    let mut random = random();
    let (mut content, mut model) = (Content::default(), Vec::new());
    for round in 0..500_u64 {
        let offset = random.size(0..20_000);
        let len = random.size(0..9000);
        let bytes = vec![(round % 250) as u8 + 1; len];
        content.write(offset as u64, &Bytes::from(bytes.clone()), 1, &mut random);
        if len > 0 && model.len() < offset + len {
            model.resize(offset + len, 0);
        }
        if len > 0 {
            model[offset..offset + len].copy_from_slice(&bytes);
        }
        if random.chance(200) {
            content.sync();
        }
        assert_eq!(content.read(0, usize::MAX), model);
        let from = random.size(0..30_000);
        let end = model.len().min(from + 5000);
        let expected = model.get(from..end).unwrap_or_default();
        assert_eq!(content.read(from as u64, 5000), expected);
    }
}

#[test]
fn synced_bytes_survive_power_loss_and_unsynced_ones_do_not() {
    let mut content = written(&[(0, &[1; 3000])]);
    content.sync();
    put(&mut content, 1000, &[2; 5000]);
    content.lose_power(ALL_LOST, &mut random(), &mut SectorFate::default());
    assert!(content.len() >= 3000);
    let bytes = content.read(0, 3000);
    assert_eq!(bytes, vec![1; 3000]);
    assert!(content.read(3000, 9000).iter().all(|byte| *byte == 0));
}

#[test]
fn kept_sectors_are_durable_afterwards() {
    let mut content = written(&[(0, &[1; 3000])]);
    let mut fate = SectorFate::default();
    content.lose_power(ALL_KEPT, &mut random(), &mut fate);
    assert_eq!(fate, SectorFate { kept: 6, lost: 0, torn: 0, sizes: 1 });
    content.lose_power(ALL_LOST, &mut random(), &mut fate);
    assert_eq!(content.read(0, 9000), vec![1; 3000]);
}

#[test]
fn a_torn_sector_mixes_old_and_new_and_spares_synced_neighbours() {
    let torn = Survival::Drawn { kept_per_mille: 0, torn_per_mille: 1000 };
    let mut content = written(&[(0, &[1; 512])]);
    content.sync();
    put(&mut content, 100, &[2; 300]);
    let mut fate = SectorFate::default();
    content.lose_power(torn, &mut random(), &mut fate);
    assert_eq!(fate.torn, 1);
    let bytes = content.read(0, 512);
    assert!(bytes[..100].iter().chain(&bytes[400..]).all(|byte| *byte == 1));
    assert!(bytes.iter().all(|byte| *byte == 1 || *byte == 2));
}

#[test]
fn a_failed_sync_leaves_pages_clean_but_never_written() {
    let mut content = written(&[(0, &[1; 4096])]);
    content.sync();
    put(&mut content, 0, &[2; 512]);
    content.fail_sync(false);
    content.sync();
    assert_eq!(content.read(0, 512), vec![2; 512], "the cache shows what was written");
    content.lose_power(ALL_KEPT, &mut random(), &mut SectorFate::default());
    assert_eq!(content.read(0, 512), vec![1; 512], "the medium never got it");
}

#[test]
fn a_stuck_sector_that_is_written_again_can_be_synced() {
    let mut content = written(&[(0, &[1; 512])]);
    content.fail_sync(false);
    put(&mut content, 0, &[3; 512]);
    content.sync();
    content.lose_power(ALL_LOST, &mut random(), &mut SectorFate::default());
    assert_eq!(content.read(0, 512), vec![3; 512]);
}

#[test]
fn rot_is_below_the_cache_too() {
    let mut content = written(&[(0, &[0; 512])]);
    content.sync();
    put(&mut content, 10, &[0]);
    content.rot(5, 1, Fault::BitRot);
    content.rot(9999, 1, Fault::BitRot);
    content.lose_power(ALL_LOST, &mut random(), &mut SectorFate::default());
    assert_eq!(content.read(5, 1)[0], 2);
}

#[test]
fn size_after_power_loss_lies_between_synced_and_written() {
    let mut sizes = BTreeSet::new();
    for seed in 0..200 {
        let mut random = Random::new(seed, "size");
        let mut content = written(&[(0, &[1; 1000])]);
        content.sync();
        put(&mut content, 1000, &[2; 9000]);
        let survival = Survival::Drawn { kept_per_mille: 500, torn_per_mille: 100 };
        content.lose_power(survival, &mut random, &mut SectorFate::default());
        assert!((1000..=10_000).contains(&content.len()));
        assert_eq!(content.read(0, 1000), vec![1; 1000]);
        sizes.insert(content.len());
    }
    assert!(sizes.len() > 10 && sizes.contains(&1000) && sizes.contains(&10_000));
}

#[test]
fn a_failed_sync_of_the_other_kind_shows_the_old_bytes_at_once() {
    let mut content = written(&[(0, &[1; 4096])]);
    content.sync();
    put(&mut content, 100, &[2; 512]);
    content.fail_sync(true);
    assert_eq!(content.read(0, 4096), vec![1; 4096]);
    assert!(!content.is_unsynced());
}

#[test]
fn a_lost_write_leaves_what_was_there_and_is_met_by_a_reader_once() {
    let mut content = written(&[(0, &[1; 4096])]);
    content.sync();
    put(&mut content, 0, &[2; 512]);
    let (offset, lost) = content.lose_write(Fault::LostWrite, &mut random()).unwrap();
    content.sync();
    assert_eq!((offset, &lost[..]), (0, &[2; 512][..]));
    let mut counts = FaultCounts::default();
    for _ in 0..2 {
        let bytes = content.read_medium(0, 4096, &mut counts).unwrap();
        assert_eq!(bytes, vec![1; 4096]);
    }
    assert_eq!(counts.effective[Fault::LostWrite as usize], 1);
    assert_eq!(content.damaged_count(), 1);
    put(&mut content, 0, &[3; 512]);
    content.sync();
    assert_eq!(content.damaged_count(), 0, "writing it anew heals it");
}

#[test]
fn a_smashed_place_keeps_its_truth_until_it_is_written() {
    let mut content = written(&[(0, &[1; 4096])]);
    content.sync();
    assert!(content.smash(512, &Bytes::from(vec![9; 1024])));
    assert_eq!(content.read(512, 1024), vec![9; 1024]);
    assert_eq!(content.read(0, 512), vec![1; 512]);
    assert_eq!(content.damaged_count(), 2);
    put(&mut content, 512, &[1; 1024]);
    content.lose_power(ALL_LOST, &mut random(), &mut SectorFate::default());
    assert_eq!(content.damaged_count(), 2, "what hid it is lost with the power");
}

#[test]
fn an_unreadable_sector_gives_errors_until_it_is_written_whole() {
    let mut content = written(&[(0, &[1; 2048])]);
    content.sync();
    assert!(content.spoil(600) && !content.spoil(5000));
    let mut counts = FaultCounts::default();
    assert!(content.read_medium(0, 512, &mut counts).is_some());
    assert!(content.read_medium(0, 513, &mut counts).is_none());
    assert!(!content.allows_write(600, 10) && content.allows_write(512, 512));
    put(&mut content, 512, &[2; 512]);
    assert!(content.read_medium(0, 2048, &mut counts).is_some());
}

#[test]
fn an_exact_power_loss_takes_what_it_names() {
    let survival = |is_kept, lost, torn| Survival::Exact { is_kept, lost, torn };
    let outcome = |survival| {
        let mut content = written(&[(0, &[0; 12_288])]);
        content.sync();
        for stamp in 1..4_u64 {
            let offset = (stamp - 1) * 4096;
            content.write(offset, &Bytes::from(vec![7; 512]), stamp, &mut random());
        }
        content.lose_power(survival, &mut random(), &mut SectorFate::default());
        (0..3)
            .map(|page| {
                let bytes = content.read(page * 4096, 512);
                bytes.iter().filter(|byte| **byte == 7).count()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(outcome(survival(false, None, None)), [0, 0, 0]);
    assert_eq!(outcome(survival(true, None, None)), [512, 512, 512]);
    assert_eq!(outcome(survival(true, Some(2), None)), [512, 0, 512]);
    assert_eq!(outcome(survival(true, None, Some(3))), [512, 512, 256]);
}
