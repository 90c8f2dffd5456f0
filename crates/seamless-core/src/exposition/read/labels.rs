//! A series' labels, and which of them a scrape cannot store.

use std::borrow::Cow;

use super::cursor::At;
use super::problem::Problem;

/// One label as the document writes it, escapes undone.
pub type Label<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Labels that a scrape sets itself, in place of those of the series.
const SET_BY_THE_SCRAPE: [&str; 2] = ["instance", "job"];

/// Whether a scrape can store a series with that name and those labels. It drops a label as often as
/// it stands there where one of them is empty, and stores no name twice; before Prometheus 3 it first
/// sets its own. Returns what Prometheus 3 alone refuses.
///
/// # Errors
/// What every Prometheus refuses the document for.
pub(super) fn check_series(
    name: &str,
    labels: &[Label<'_>],
    at: usize,
    notes: &mut Vec<(usize, Problem)>,
) -> At<Option<Problem>> {
    if name.is_empty() {
        return Err((at, Problem::NoName));
    }
    let mut refused_by_3 = None;
    for (index, (label, value)) in labels.iter().enumerate() {
        let same = || labels.iter().filter(|(other, _)| other == label);
        if label == "__name__" {
            let problem = match same().any(|(_, value)| value.is_empty()) {
                true => Problem::NoName,
                false => Problem::ReservedLabel(label.clone().into_owned()),
            };
            return Err((at, problem));
        }
        let earlier = labels.iter().take(index);
        if earlier.clone().any(|(other, _)| other == label) {
            let label = label.clone().into_owned();
            let duplicate = Problem::DuplicateLabel(label.clone());
            if same().any(|(_, value)| value.is_empty()) {
                notes.push((at, Problem::DroppedLabel(label)));
            } else if SET_BY_THE_SCRAPE.contains(&&*label) {
                refused_by_3 = Some(duplicate);
                notes.push((at, Problem::DroppedLabel(label)));
            } else {
                return Err((at, duplicate));
            }
        } else if label.is_empty() && !value.is_empty() {
            return Err((at, Problem::EmptyLabelName));
        }
    }
    Ok(refused_by_3)
}
