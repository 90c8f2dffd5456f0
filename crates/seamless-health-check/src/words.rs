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

/// `did you mean X or Y? ` with the known names that `name` was probably meant to be: those that it is a part of,
/// else the likest. Of an id its last part may have been given.
pub(crate) fn did_you_mean<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    const LIKELY: f64 = 0.85;
    const MOST: usize = 3;
    const SHORTEST_PART: usize = 5;
    let known: Vec<&str> = known.collect();
    // Every alert's name begins so.
    let part = name.to_lowercase().replacen("seamless", "", 1);
    let has_part =
        |known: &&str| part.len() >= SHORTEST_PART && known.to_lowercase().contains(&part);
    let mut meant: Vec<&str> = known.iter().copied().filter(has_part).take(MOST).collect();
    if meant.is_empty() {
        let likeness = |known: &str| {
            let last = known.rsplit('/').next().unwrap_or(known);
            let [whole, last] = [known, last].map(|known| strsim::jaro_winkler(name, known));
            whole.max(last)
        };
        let likely = known.iter().map(|known| (likeness(known), *known));
        let likely = likely.filter(|(likeness, _)| *likeness > LIKELY);
        let likest = likely.max_by(|a, b| a.0.total_cmp(&b.0));
        meant.extend(likest.map(|(_, known)| known));
    }
    match meant.as_slice() {
        [] => String::new(),
        names => format!("did you mean {}? ", names.join(" or ")),
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
        // A part may be that of several.
        let alerts = [
            "SeamlessTargetDown",
            "SeamlessBackfillFailing",
            "SeamlessBackfillStuckLease",
        ];
        let meant = |name: &str| did_you_mean(name, alerts.into_iter());
        let both = "did you mean SeamlessBackfillFailing or SeamlessBackfillStuckLease? ";
        assert_eq!(meant("backfill"), both);
        let stuck = "did you mean SeamlessBackfillStuckLease? ";
        assert_eq!(meant("SeamlessStuckLease"), stuck);
        assert_eq!(meant("SeamlessBackfilStuckLease"), stuck);
    }
}
