//! The ways in which the runtime can be told to misbehave.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, anyhow};

/// A way to misbehave; each is the cause of some of the shipped alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Misbehaviour {
    /// Storage answers slowly, and all that waits for it is late.
    SlowStorage,
    /// A worker is killed with a lease in its hands; its metrics go with it.
    DeadWorker,
    /// A source delivers bars that do not conform.
    BadData,
    /// The live feed delivers nothing new.
    StaleFeed,
    /// A rate limiter has no tokens left.
    DryLimiter,
    /// The exporter exposes nothing any more, as after a bad deployment.
    LostMetrics,
    /// The source of backfills does not answer: each one fails, and its lease ends.
    VendorOutage,
}

impl Misbehaviour {
    /// Every way.
    pub const ALL: [Self; 7] = [
        Self::SlowStorage,
        Self::DeadWorker,
        Self::BadData,
        Self::StaleFeed,
        Self::DryLimiter,
        Self::LostMetrics,
        Self::VendorOutage,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SlowStorage => "slow-storage",
            Self::DeadWorker => "dead-worker",
            Self::BadData => "bad-data",
            Self::StaleFeed => "stale-feed",
            Self::DryLimiter => "dry-limiter",
            Self::LostMetrics => "lost-metrics",
            Self::VendorOutage => "vendor-outage",
        }
    }
}

impl fmt::Display for Misbehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Misbehaviour {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|way| way.name() == text)
            .ok_or_else(|| {
                let names: Vec<&str> = Self::ALL.iter().map(|way| way.name()).collect();
                anyhow!("no such misbehaviour; there are: {}", names.join(", "))
            })
    }
}
