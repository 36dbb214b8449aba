//! Random numbers that are the same for the same seed on every machine: only whole numbers and basic arithmetic.

/// A generator for one day.
#[derive(Debug)]
pub(super) struct Random(fastrand::Rng);

impl Random {
    /// Returns the generator of a day, counted from 1970-01-01.
    pub(super) fn of(seed: u64, day: i64) -> Self {
        // Nearby seeds would begin alike without the multiplication.
        Self(fastrand::Rng::with_seed(seed ^ day.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Returns `true` in `percent` of a hundred cases.
    pub(super) fn chance(&mut self, percent: f64) -> bool {
        self.0.f64() * 100.0 < percent
    }

    /// Returns a number from `from` up to and including `to`.
    pub(super) fn between(&mut self, from: i64, to: i64) -> i64 {
        self.0.i64(from..=to)
    }

    /// Returns a number from `from` up to and including `to`. Small ones are more frequent.
    pub(super) fn mostly_small(&mut self, from: i64, to: i64) -> i64 {
        let share = self.0.f64() * self.0.f64();
        from + ((to - from + 1) as f64 * share) as i64
    }

    /// Returns an index below `len`, which must not be zero.
    pub(super) fn index(&mut self, len: usize) -> usize {
        self.0.usize(..len)
    }

    /// Returns an index with a probability in proportion to its weight. The weights must not all be zero.
    pub(super) fn weighted(&mut self, weights: impl Iterator<Item = u32> + Clone) -> usize {
        let mut rest = self.0.u32(..weights.clone().sum::<u32>());
        let mut weights = weights.enumerate();
        loop {
            let Some((index, weight)) = weights.next() else { return 0 };
            if rest < weight {
                return index;
            }
            rest -= weight;
        }
    }

    /// Returns an index below `len`. The first is the most frequent, and the others form a long tail.
    pub(super) fn long_tail(&mut self, len: usize) -> usize {
        self.weighted((0..len).map(|rank| 10_000 / (rank as u32 + 3)))
    }

    /// Returns the 16 bytes of a UUIDv7 of a time.
    pub(super) fn uuid_v7(&mut self, millis: i64) -> [u8; 16] {
        let time = (millis.unsigned_abs() as u128) << 80;
        let version_and_variant = (7 << 76) | (2 << 62);
        let free = u128::MAX >> 48 & !(0xf << 76) & !(3 << 62);
        (time | version_and_variant | (self.0.u128(..) & free)).to_be_bytes()
    }

    /// Returns eight hexadecimal digits.
    pub(super) fn hex(&mut self) -> String {
        format!("{:08x}", self.0.u32(..))
    }
}
