//! What `lease-recover` reads back: workers' logs and its own journal.

use std::collections::HashSet;

use lease_recover::{open_in_log, settled_in};

/// A structured log. Each key is open once at most, and no error repeats the line: it may hold a token.
pub(crate) fn lease_log(bytes: &[u8]) {
    match open_in_log(bytes) {
        Ok(specs) => {
            let keys: HashSet<&str> = specs.iter().map(|spec| spec.key.as_str()).collect();
            assert_eq!(keys.len(), specs.len());
            assert!(keys.iter().all(|key| !key.trim().is_empty()));
        }
        Err(error) => {
            let text = format!("{error:#}");
            crate::assert_presentable(&text);
            assert!(
                text.starts_with("line ") || text.starts_with("the log: line "),
                "{text}"
            );
        }
    }
}

/// A journal. Cut off anywhere within its last line it is a journal still, and settles no more.
pub(crate) fn lease_journal(bytes: &[u8]) {
    const COORDINATOR: &str = "http://127.0.0.1:1";
    match settled_in(bytes, COORDINATOR) {
        Ok(settled) => {
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
            assert!(settled <= lines);
            let last = bytes
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            let cut = last + (bytes.len() - last) / 2;
            let again = settled_in(&bytes[..cut], COORDINATOR).ok();
            assert_eq!(again, Some(settled));
        }
        Err(error) => crate::assert_presentable(&format!("{error:#}")),
    }
}
