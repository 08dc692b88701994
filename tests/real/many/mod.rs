//! Many workers on one registry, as real processes: killed, stopped, cut off, with clocks that are
//! wrong. A short form of each in every run; the full counts where `VIGIE_SOAK` is set (`make soak`).

mod checks;
mod claims;
mod crew;
mod evidence;
mod full;
mod ground;
mod storm;
mod takeover;
mod wire;

/// Whether the full counts are asked for.
fn soak() -> bool {
    std::env::var_os("VIGIE_SOAK").is_some()
}

/// A small generator with a seed that is printed, so that a bad run can be had again.
struct Dice(u64);

impl Dice {
    fn new(what: &str) -> Self {
        let seed = std::env::var("VIGIE_SOAK_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) ^ 0x9e37_79b9_7f4a_7c15);
        eprintln!("{what}: VIGIE_SOAK_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

/// The value below which a share (0 to 1) of the values lies.
fn quantile(values: &mut [std::time::Duration], share: f64) -> std::time::Duration {
    values.sort_unstable();
    let index = ((values.len() as f64 * share).ceil() as usize).clamp(1, values.len()) - 1;
    values[index]
}
