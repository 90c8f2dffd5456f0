//! How numbers and lists are said in messages.

/// Names a list in a message without flooding it.
pub(crate) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Seconds as a person says them.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{}s", round(seconds, 100.0));
    }
    std::time::Duration::try_from_secs_f64(seconds.round())
        .map_or_else(|_| format!("{seconds}s"), seamless_core::duration::human)
}

fn round(value: f64, to: f64) -> f64 {
    (value * to).round() / to
}
