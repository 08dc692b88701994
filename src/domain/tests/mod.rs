//! The rules, tried in full where they are finite and at random where they are not. Runs that take
//! long are called `soak_…` and run by `make soak`; each says its seed and its figures.

#![allow(clippy::print_stdout, reason = "a run says its seed and its figures")]

mod health;
mod names;
mod placement;
mod saga;
mod secrets;
mod server;
mod text;

/// A small generator of pseudo-random numbers, so that a run can be repeated from its seed.
pub(super) struct Random(u64);

impl Random {
    /// From `VIGIE_SOAK_SEED`, or a seed of the day; printed, so that a failure can be repeated.
    pub(super) fn new(what: &str) -> Self {
        let given = std::env::var("VIGIE_SOAK_SEED").ok().and_then(|s| s.parse().ok());
        let seed = given.unwrap_or_else(|| u64::from(std::process::id()) * 0x9e37_79b9 + 1);
        println!("{what}: seed {seed}");
        Self(seed.max(1))
    }

    pub(super) fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n).unwrap()).unwrap()
    }

    /// True so many times in a million.
    pub(super) fn in_a_million(&mut self, n: u64) -> bool {
        self.next() % 1_000_000 < n
    }
}

/// How many random cases a property gets: `few` as a rule, all of them when soaking.
pub(super) fn cases(few: u32) -> proptest::test_runner::Config {
    proptest::test_runner::Config {
        cases: few,
        failure_persistence: None,
        ..proptest::test_runner::Config::default()
    }
}
