//! How much of a server an instance gets, and whether there is as much.

use serde::{Deserialize, Serialize};

const MIB: u64 = 1024 * 1024;

/// What a server has, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Memory in all, bytes.
    pub memory: u64,
    /// Memory that programs can still have (`MemAvailable`), bytes.
    pub memory_free: u64,
    /// Free on the disk that instances lie on, bytes.
    pub disk_free: u64,
    /// Processors.
    pub cores: u32,
}

/// Below this nothing is made; settable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    /// Free memory, bytes.
    pub memory: u64,
    /// Free disk, bytes.
    pub disk: u64,
}

impl Default for Floor {
    fn default() -> Self {
        Self {
            memory: 300 * MIB,
            disk: 1024 * MIB,
        }
    }
}

/// What an instance of two workers takes: 500 MB to 1 GB of memory, 2 GB of disk at first (the operators'
/// guide). Less than the upper figure is a warning.
pub(super) const USUAL_MEMORY: u64 = 1024 * MIB;
/// See [`USUAL_MEMORY`].
pub(super) const USUAL_DISK: u64 = 2048 * MIB;

/// What would be short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shortage {
    /// It can be made, and may not fare well.
    Warning(String),
    /// It is not made.
    Refusal(String),
}

/// How an instance is set up for its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizing {
    /// Worker processes for HTTP.
    pub workers: u32,
    /// Threads for scheduled work.
    pub cron_threads: u32,
    /// Memory of one process above which it ends after its request, bytes.
    pub memory_soft: u64,
    /// Memory of one process above which it is ended, bytes.
    pub memory_hard: u64,
}

impl Sizing {
    /// Two workers at least, more where an instance would have more than 2 cores and 4 GiB to itself:
    /// a server that hosts several never gives one of them `cores * 2 + 1`, which is the rule for a
    /// machine with one Odoo.
    pub fn of(machine: &Machine, instances: u32) -> Self {
        let share = u64::from(instances.max(1));
        let by_memory = machine.memory / share / (2048 * MIB);
        let by_cores = (u64::from(machine.cores) * 2).div_ceil(share);
        let workers = by_memory.min(by_cores).clamp(2, 8);
        let large = machine.memory >= 8 * 1024 * MIB;
        let soft = if large { 2048 } else { 640 };
        Self {
            workers: u32::try_from(workers).unwrap_or(2),
            cron_threads: 1,
            memory_soft: soft * MIB,
            memory_hard: (soft + 512) * MIB,
        }
    }
}

impl Machine {
    /// Instances that a server of this memory hosts by the operators' guide: 4 GB 2–3, 8 GB 4–6, 16 GB
    /// and more 8 and up; the lower figure first.
    pub fn advised(&self) -> (u32, Option<u32>) {
        // A machine sold as 4 GB shows some hundred MB less.
        match self.memory / (1024 * MIB) {
            0..=2 => (1, Some(1)),
            3..=6 => (2, Some(3)),
            7..=14 => (4, Some(6)),
            more => (u32::try_from(more / 2).unwrap_or(8).max(8), None),
        }
    }

    /// What would be short with one more beside `instances`, the refusals first.
    pub fn shortages(&self, instances: u32, floor: &Floor) -> Vec<Shortage> {
        let mut found = Vec::new();
        let mib = |bytes: u64| bytes / MIB;
        for (what, free, floor, usual) in [
            ("memory", self.memory_free, floor.memory, USUAL_MEMORY),
            ("disk", self.disk_free, floor.disk, USUAL_DISK),
        ] {
            if free < floor {
                found.push(Shortage::Refusal(format!(
                    "{} MiB of {what} are free, the floor is {} MiB",
                    mib(free),
                    mib(floor)
                )));
            } else if free < usual {
                found.push(Shortage::Warning(format!(
                    "{} MiB of {what} are free, an instance takes up to {} MiB",
                    mib(free),
                    mib(usual)
                )));
            }
        }
        if let (_, Some(most)) = self.advised()
            && instances >= most
        {
            found.push(Shortage::Warning(format!(
                "it hosts {instances} already; with {} MiB of memory up to {most} are advised",
                mib(self.memory)
            )));
        }
        found.sort_by_key(|shortage| matches!(shortage, Shortage::Warning(_)));
        found
    }
}
