//! Which series a document has shown so far, at one number each.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::line::Label;
use crate::exposition::Format;

/// The series seen, by a keyed hash of name and labels.
pub(super) struct SeenSeries {
    format: Format,
    hasher: RandomState,
    /// The last line of each.
    seen: HashMap<u64, usize, Identity>,
    /// The last timestamp of those that had one, where several points may follow each other.
    timestamps: HashMap<u64, i64, Identity>,
}

impl SeenSeries {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            hasher: RandomState::new(),
            seen: HashMap::default(),
            timestamps: HashMap::default(),
        }
    }

    /// Notes a series.
    ///
    /// # Errors
    /// The line that it stands on already.
    pub(super) fn add(
        &mut self,
        name: &str,
        labels: &[Label<'_>],
        timestamp: Option<i64>,
        line: usize,
    ) -> Result<(), usize> {
        // Adding up makes the order of labels irrelevant. The keys are random, so that nobody can
        // write a document in which two different series meet.
        let key = labels
            .iter()
            .fold(self.hasher.hash_one(name), |sum, label| {
                sum.wrapping_add(self.hasher.hash_one(label))
            });
        let earlier = timestamp
            .filter(|_| self.format == Format::OpenMetrics)
            .and_then(|now| self.timestamps.insert(key, now));
        match self.seen.insert(key, line) {
            None => Ok(()),
            // OpenMetrics lets one series have several points, in the order of their time.
            Some(_) if matches!((earlier, timestamp), (Some(then), Some(now)) if then < now) => {
                Ok(())
            }
            Some(before) => Err(before),
        }
    }
}

/// The keys are hashes already.
#[derive(Default, Clone)]
struct Identity;

impl BuildHasher for Identity {
    type Hasher = Passed;
    fn build_hasher(&self) -> Passed {
        Passed(0)
    }
}

struct Passed(u64);

impl std::hash::Hasher for Passed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}
