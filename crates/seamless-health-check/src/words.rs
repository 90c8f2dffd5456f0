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

/// `did you mean X? ` with the known name that `name` was probably meant to be. Of an id, its last part may
/// have been given.
pub(crate) fn did_you_mean<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    const LIKELY: f64 = 0.85;
    let likeness = |known: &str| {
        let last = known.rsplit('/').next().unwrap_or(known);
        let [whole, last] = [known, last].map(|known| strsim::jaro_winkler(name, known));
        whole.max(last)
    };
    known
        .map(|known| (likeness(known), known))
        .filter(|(likeness, _)| *likeness > LIKELY)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or(String::new(), |(_, known)| {
            format!("did you mean {known}? ")
        })
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

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn a_mistyped_name_is_recognised_by_its_whole_or_its_last_part() {
        let known = ["prometheus", "prometheus/present", "alerting/held"];
        let meant = |name: &str| did_you_mean(name, known.into_iter());
        assert_eq!(
            meant("prometheus/presnt"),
            "did you mean prometheus/present? "
        );
        assert_eq!(meant("promteheus"), "did you mean prometheus? ");
        assert_eq!(meant("held"), "did you mean alerting/held? ");
        assert_eq!(meant("disk"), "");
    }
}
