//! Whether the README's table of a drill is what a drill shows.

use anyhow::{Context as _, Result};

use super::timeline::TimelineStage;

/// A row of the README's table: the stage, and what is seen of it.
pub(super) struct Row {
    pub(super) stage: String,
    pub(super) seen: String,
}

/// The rows of the README's table.
///
/// # Errors
/// If the README cannot be read or has no such table.
pub(super) fn rows() -> Result<Vec<Row>> {
    let path = crate::root().join("README.md");
    let text = std::fs::read_to_string(&path).context("README.md")?;
    let table = text
        .split_once("```text\nstage  ")
        .and_then(|(_, rest)| rest.split_once("```"))
        .context("README.md has no table of a drill")?;
    let mut lines = table.0.lines();
    let titles: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    anyhow::ensure!(
        titles == ["at", "took", "verdict", "seen"],
        "README.md: the columns of a drill's table are {titles:?}"
    );
    lines
        .map(|line| {
            let cells = line.split("  ").map(str::trim);
            let cells: Vec<&str> = cells.filter(|cell| !cell.is_empty()).collect();
            match cells[..] {
                [stage, _, _, "reached", seen] => Ok(Row {
                    stage: stage.to_owned(),
                    seen: seen.to_owned(),
                }),
                _ => anyhow::bail!("README.md: no row of a drill: {line}"),
            }
        })
        .collect()
}

/// Where a drill was seen to go otherwise than the README shows, one line each.
///
/// # Errors
/// If the README has no table of a drill.
pub(super) fn differences(stages: &[TimelineStage]) -> Result<Vec<String>> {
    let rows = rows()?;
    let mut differences: Vec<String> = stages
        .iter()
        .zip(&rows)
        .filter_map(|(stage, row)| {
            let seen = stage.seen.as_deref().unwrap_or_default();
            let is_same = stage.name == row.stage && resembles(&row.seen, seen);
            let Row {
                stage: shown,
                seen: text,
            } = row;
            (!is_same).then(|| {
                format!(
                    "README.md shows {shown}: {text}; seen: {}: {seen}",
                    stage.name
                )
            })
        })
        .collect();
    if rows.len() != stages.len() {
        let (shown, real) = (rows.len(), stages.len());
        differences.push(format!("README.md shows {shown} stages of {real}"));
    }
    Ok(differences)
}

/// Whether `text` is what is shown, numbers aside; `…` in what is shown stands for any text.
fn resembles(shown: &str, text: &str) -> bool {
    let (shown, text) = (without_numbers(shown), without_numbers(text));
    let mut parts = shown.split('…');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
        last = Some(part);
    }
    // What stands after the last `…` ends the text.
    match last {
        None => rest.is_empty(),
        Some(last) => text.ends_with(last),
    }
}

/// Each number, with its points, as one `#`.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            '.' if out.ends_with('#') => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_what_is_left_out_may_differ() {
        for (shown, text, same) in [
            ("value 328.2207", "value 12", true),
            ("value 1", "values 1", false),
            (
                "at http://127.0.0.1:33, …",
                "at http://127.0.0.1:1, B",
                true,
            ),
            (
                "`check …` ended with 0",
                "`check --wait 1m` ended with 0",
                true,
            ),
            ("`check …` ended with 0", "`check --wait 1m` ended", false),
            ("…: its lease ended", "a:b: its lease ended", true),
            ("to slack", "to slack, pagerduty", false),
        ] {
            assert_eq!(resembles(shown, text), same, "{shown} / {text}");
        }
    }
}
