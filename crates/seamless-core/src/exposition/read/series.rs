//! Which series a document has shown so far, at one number each.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::line::Label;
use crate::exposition::Format;

/// The series seen, by a keyed hash of name and labels.
pub(super) struct SeenSeries {
    format: Format,
    hasher: RandomState,
    seen: HashMap<u64, Seen, Identity>,
}

struct Seen {
    line: usize,
    timestamp: Option<i64>,
}

impl SeenSeries {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            hasher: RandomState::new(),
            seen: HashMap::default(),
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
        let Some(before) = self.seen.insert(key, Seen { line, timestamp }) else {
            return Ok(());
        };
        // OpenMetrics lets one series have several points, in the order of their time.
        let later_point = self.format == Format::OpenMetrics
            && matches!((before.timestamp, timestamp), (Some(then), Some(now)) if then < now);
        if later_point {
            Ok(())
        } else {
            Err(before.line)
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
