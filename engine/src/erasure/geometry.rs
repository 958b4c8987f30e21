//! How many columns of data and of parity a volume has, for a number of disks.

/// Columns of a stripe at most.
pub const WIDTH_MAX: usize = 16;

/// Parity columns at most: half of the widest stripe.
pub const PARITY_MAX: usize = WIDTH_MAX / 2;

/// Data and parity columns of a volume.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode,
)]
pub struct Geometry {
    /// Columns that hold data, at least 1.
    pub data: u8,
    /// Columns that hold parity.
    pub parity: u8,
}

/// Parity that a number of disks gets when nobody says otherwise; what users of MinIO know.
pub fn parity_default(disk_count: usize) -> u8 {
    match disk_count {
        0..=1 => 0,
        2..=3 => 1,
        4..=5 => 2,
        6..=7 => 3,
        _ => 4,
    }
}

impl Geometry {
    /// The whole body in one segment, without parity: what a lone disk has.
    pub const SINGLE: Self = Self { data: 1, parity: 0 };

    /// The widest geometry for that many disks. Parity never takes more than half of them.
    pub fn widest(disk_count: usize, parity: u8) -> Self {
        let width = disk_count.clamp(1, WIDTH_MAX);
        let parity = usize::from(parity).min(width / 2);
        Self { data: (width - parity) as u8, parity: parity as u8 }
    }

    /// The widest geometry that fits on `disk_count` disks when this one does not: data columns go
    /// first, then parity, down to two copies (4+2, 3+2, 2+2, 1+2, 1+1). `None` where not even
    /// those fit: then nothing can be written that survives a loss.
    pub fn narrowed(self, disk_count: usize) -> Option<Self> {
        if disk_count >= self.width() {
            return Some(self);
        }
        let parity = usize::from(self.parity).min(disk_count.saturating_sub(1));
        if disk_count == 0 || (self.parity > 0 && parity == 0) {
            return None;
        }
        let data = disk_count - parity;
        Some(Self { data: data.min(self.data.into()) as u8, parity: parity as u8 })
    }

    /// Whether a reader may meet this geometry.
    pub fn is_valid(self) -> bool {
        self.data >= 1 && self.width() <= WIDTH_MAX
    }

    /// Columns in all.
    pub fn width(self) -> usize {
        usize::from(self.data) + usize::from(self.parity)
    }

    /// Data columns.
    pub fn data_count(self) -> usize {
        self.data.into()
    }

    /// Members that must have a stripe durably before anybody may be told, when others fail in the
    /// middle of the write: at least one more loss is survived, with much parity more.
    pub fn write_floor(self) -> usize {
        let spare = if self.parity == 0 { 0 } else { self.parity.div_ceil(2).max(1) };
        usize::from(self.data) + usize::from(spare)
    }

    /// Further losses that bodies survive when `present` members are whole; `None` when they can
    /// not be read as it is.
    pub fn margin(self, present: usize) -> Option<u32> {
        present.checked_sub(self.data.into()).map(|margin| margin as u32)
    }
}

impl std::fmt::Display for Geometry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}+{}", self.data, self.parity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry(data: u8, parity: u8) -> Geometry {
        Geometry { data, parity }
    }

    #[test]
    fn disks_get_the_geometry_that_users_know() {
        let of = |disks| Geometry::widest(disks, parity_default(disks));
        assert_eq!(of(1), geometry(1, 0));
        assert_eq!(of(2), geometry(1, 1));
        assert_eq!(of(3), geometry(2, 1));
        assert_eq!(of(4), geometry(2, 2));
        assert_eq!(of(5), geometry(3, 2));
        assert_eq!(of(6), geometry(3, 3));
        assert_eq!(of(8), geometry(4, 4));
        assert_eq!(of(16), geometry(12, 4));
        assert_eq!(of(100), geometry(12, 4));
    }

    #[test]
    fn narrowing_keeps_parity_as_long_as_it_can() {
        let chain = |full: Geometry, disks: &[usize]| -> Vec<Option<Geometry>> {
            disks.iter().map(|count| full.narrowed(*count)).collect()
        };
        let expected = [(4, 2), (3, 2), (2, 2), (1, 2), (1, 1)].map(|(k, m)| Some(geometry(k, m)));
        assert_eq!(chain(geometry(4, 2), &[7, 5, 4, 3, 2]), expected);
        assert_eq!(chain(geometry(4, 2), &[1, 0]), [None, None]);
        assert_eq!(geometry(4, 4).narrowed(4), Some(geometry(1, 3)));
        assert_eq!(Geometry::SINGLE.narrowed(0), None);
        assert_eq!(Geometry::SINGLE.narrowed(1), Some(Geometry::SINGLE));
    }

    #[test]
    fn every_narrower_geometry_fits_and_survives_a_loss() {
        for disks in 2..=24 {
            for parity in 1..=PARITY_MAX as u8 {
                let full = Geometry::widest(disks, parity);
                for healthy in 2..disks {
                    let narrow = full.narrowed(healthy).expect("two disks hold two copies");
                    assert!(narrow.is_valid() && narrow.parity >= 1);
                    assert!(narrow.width() <= healthy && narrow.width() <= full.width());
                }
            }
        }
    }

    #[test]
    fn the_floor_leaves_a_margin() {
        let floors =
            [((4, 4), 6), ((6, 2), 7), ((1, 1), 2), ((2, 1), 3), ((12, 4), 14), ((3, 3), 5)];
        for ((data, parity), floor) in floors {
            assert_eq!(geometry(data, parity).write_floor(), floor);
        }
        assert_eq!(Geometry::SINGLE.write_floor(), 1);
    }
}
