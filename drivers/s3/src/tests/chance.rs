//! Chance that can be repeated.

/// A sequence of numbers that depends on its seed alone (xorshift64*).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below another.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }

    /// Whether something happens that does so once in so many times.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// How many seeds to try: those of a variable, or as many as take a few seconds.
pub(crate) fn seeds(quick: u64) -> core::ops::Range<u64> {
    let asked = std::env::var("LIGHTER_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    0..asked.unwrap_or(quick)
}
