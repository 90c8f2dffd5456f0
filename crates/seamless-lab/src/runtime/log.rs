//! The platform's structured log: one JSON object a line, written whole.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// The log file.
#[derive(Debug)]
pub(super) struct Log {
    file: Mutex<File>,
}

impl Log {
    /// Starts the file anew.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path)
            .with_context(|| format!("cannot write the log {}", path.display()))?;
        Ok(Self {
            file: Mutex::new(file),
        })
    }

    /// Adds an event with the time.
    pub(super) fn write(&self, event: &Value) {
        let mut line = json!({
            "timestamp": jiff::Timestamp::now().to_string(),
            "level": "INFO",
        });
        if let (Value::Object(line), Value::Object(event)) = (&mut line, event) {
            line.extend(event.clone());
        }
        // In one piece: a reader never sees half a line.
        let line = format!("{line}\n");
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // A simulated runtime goes on without its log when the disk is full.
        let _ = file.write_all(line.as_bytes());
    }
}
