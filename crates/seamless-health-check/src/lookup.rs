//! The checks, looked up instead of run: `--list`, `--explain ID`, and the pages of the reference. All of it
//! comes from what each check says of itself; nothing is contacted and no configuration is read.

use seamless_cli::{Palette, Terminal, UsageError, wrapped};
use serde::Serialize;

use crate::args::Args;
use crate::check::{Check, Group, Need};
use crate::checks;
use crate::formats::json::SCHEMA_VERSION;
use crate::formats::text::has_room;
use crate::output::{OutputFormat, outputs};
use crate::words::did_you_mean;

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Korean.
    Korean,
}

/// Columns of a check's id and of its severity in the list.
const ID_COLUMNS: usize = 29;
const SEVERITY_COLUMNS: usize = 4;

/// What stdout gets where the arguments ask for the checks themselves.
pub(crate) fn asked(args: &Args, terminal: &Terminal) -> anyhow::Result<Option<String>> {
    let (checks, explained) = match &args.explain {
        Some(id) if id.contains('/') || is_half_an_id(id) => (vec![by_id(id)?], true),
        _ if args.list => (checks::select(&args.only, &args.skip)?, false),
        _ => return Ok(None),
    };
    let (width, palette) = (terminal.width(), terminal.palette());
    let text = match outputs(&args.output)?.as_slice() {
        [one] if one.path.is_none() && one.format == OutputFormat::Json => json(&checks)?,
        [one] if one.path.is_none() && one.format == OutputFormat::Text && explained => checks
            .iter()
            .map(|check| explanation(check, palette, width))
            .collect(),
        [one] if one.path.is_none() && one.format == OutputFormat::Text => {
            list(&checks, palette, width)
        }
        _ => {
            let message = "--list and --explain write text or json, to stdout";
            return Err(UsageError(message.to_owned()).into());
        }
    };
    Ok(Some(text))
}

/// Whether it is a group, or what follows one in an id.
fn is_half_an_id(name: &str) -> bool {
    checks::all()
        .iter()
        .any(|check| check.id().split('/').any(|half| half == name))
}

fn by_id(id: &str) -> Result<Check, UsageError> {
    let all = checks::all();
    let found = all.iter().find(|check| check.id() == id);
    found.copied().ok_or_else(|| {
        let ids: Vec<String> = all.iter().map(Check::id).collect();
        let meant = did_you_mean(id, ids.iter().map(String::as_str));
        UsageError(format!(
            "--explain {id}: no such check; {meant}--list shows them"
        ))
    })
}

fn list(checks: &[Check], palette: Palette, width: Option<usize>) -> String {
    let mut out = String::new();
    let beside = 2 + ID_COLUMNS + 1 + SEVERITY_COLUMNS + 2;
    // On a narrow terminal titles stand beneath the ids.
    let is_beside = has_room(width, beside);
    let margin = if is_beside { beside } else { 6 };
    let in_parentheses = |needs: &[Need]| match needs {
        [] => String::new(),
        needs => format!(" ({})", named(needs)),
    };
    for group in Group::ALL {
        let of_group: Vec<&Check> = checks.iter().filter(|check| check.group == group).collect();
        let Some(needs) = of_group.first().map(|check| check.needs) else {
            continue;
        };
        // What all of them need is said once.
        let is_common = of_group.iter().all(|check| check.needs == needs);
        let common = if is_common { needs } else { &[] };
        let name = palette.strong(group.name());
        out += &format!("{name}{}\n", in_parentheses(common));
        for check in of_group {
            let own = if is_common { &[] } else { check.needs };
            let asks = format!("{}{}", check.title, in_parentheses(own));
            let severity = check.severity.word();
            let below = format!("\n{}", " ".repeat(margin));
            let gap = if is_beside { "  " } else { below.as_str() };
            out += &format!(
                "  {:ID_COLUMNS$} {severity:SEVERITY_COLUMNS$}{gap}{}\n",
                check.id(),
                wrapped(&asks, width, margin).join(&below)
            );
        }
    }
    out.push('\n');
    for text in [
        "fail and warn: the worst that the check comes to; in parentheses, what it needs.",
        "seamless-health-check --explain ID says what it means and what to do.",
    ] {
        out += &format!("{}\n", wrapped(text, width, 0).join("\n"));
    }
    out
}

fn explanation(check: &Check, palette: Palette, width: Option<usize>) -> String {
    let head = format!("{}: {}", palette.strong(&check.id()), check.title);
    let mut out = format!("{}\n\n", wrapped(&head, width, 0).join("\n"));
    let mut line = |what: &str, text: &str| {
        out += &format!("  {} {text}\n", palette.dim(&format!("{what:8}")));
    };
    line("severity", check.severity.word());
    line("needs", or_nothing(&named(check.needs)));
    line("after", or_nothing(&check.requires.join(", ")));
    let explained = &check.explained;
    for (what, text) in [
        ("When it does not pass", explained.means),
        ("What to do", explained.remedy),
    ] {
        out += &format!("\n{}\n", palette.strong(what));
        for line in wrapped(text, width, 2) {
            out += &format!("  {line}\n");
        }
    }
    out += &format!("\n{}\n", palette.strong("Example"));
    for line in wrapped(&example(check), width, 2) {
        out += &format!("  {line}\n");
    }
    out
}

fn named(needs: &[Need]) -> String {
    let names: Vec<&str> = needs.iter().map(|need| need.name()).collect();
    names.join(", ")
}

const fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}

/// The line that `--output short` has for it.
fn example(check: &Check) -> String {
    let (verdict, message) = check.explained.example.split_once("  ").unwrap_or_default();
    format!("{verdict}  {}  {message}", check.id())
}

#[derive(Serialize)]
struct CheckList {
    schema_version: u32,
    checks: Vec<CheckEntry>,
}

#[derive(Serialize)]
struct CheckEntry {
    id: String,
    group: &'static str,
    title: &'static str,
    severity: &'static str,
    needs: Vec<&'static str>,
    requires: &'static [&'static str],
    means: &'static str,
    remedy: &'static str,
    example: String,
}

fn json(checks: &[Check]) -> anyhow::Result<String> {
    let entry = |check: &Check| CheckEntry {
        id: check.id(),
        group: check.group.name(),
        title: check.title,
        severity: check.severity.word(),
        needs: check.needs.iter().map(|need| need.name()).collect(),
        requires: check.requires,
        means: check.explained.means,
        remedy: check.explained.remedy,
        example: example(check),
    };
    let document = CheckList {
        schema_version: SCHEMA_VERSION,
        checks: checks.iter().map(entry).collect(),
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// The page of the reference that holds every check, as Markdown, each with an anchor (`prometheus-present`).
#[must_use]
pub fn page(language: Language) -> String {
    let words = Words::of(language);
    let mut page = format!("# {}\n\n{}\n", words.title, words.introduction);
    for group in Group::ALL {
        page += &format!("\n## {}\n", group.name());
        for check in checks::all().iter().filter(|check| check.group == group) {
            page += &section(check, &words);
        }
    }
    page
}

fn section(check: &Check, words: &Words) -> String {
    let explained = &check.explained;
    let (title, means, remedy) = match words.language {
        Language::English => (check.title, explained.means, explained.remedy),
        Language::Korean => (
            explained.korean.title,
            explained.korean.means,
            explained.korean.remedy,
        ),
    };
    let id = check.id();
    let anchor = id.replace('/', "-");
    let needs = match check.needs {
        [] => words.nothing.to_owned(),
        needs => match words.language {
            Language::English => named(needs),
            Language::Korean => named(needs)
                .replace(" or ", " 또는 ")
                .replace("coordinator", "코디네이터"),
        },
    };
    let after: Vec<String> = check
        .requires
        .iter()
        .map(|id| format!("[{id}](#{})", id.replace('/', "-")))
        .collect();
    let after = match after.as_slice() {
        [] => words.nothing.to_owned(),
        after => after.join(", "),
    };
    format!(
        "\n<a id=\"{anchor}\"></a>\n\n### {id}\n\n{title}.\n\n\
         | {} | {} | {} | {} |\n|---|---|---|---|\n| {} | {needs} | {after} | [{}]({}#{}) |\n\n\
         **{}** {means}\n\n**{}** {remedy}\n\n```text\n{}\n```\n",
        words.severity,
        words.needs,
        words.after,
        words.runbook,
        check.severity.word(),
        check.group.name(),
        words.runbook_page,
        check.anchor,
        words.means,
        words.remedy,
        example(check),
    )
}

/// The words of the page around those of the checks.
struct Words {
    language: Language,
    title: &'static str,
    introduction: &'static str,
    severity: &'static str,
    needs: &'static str,
    after: &'static str,
    nothing: &'static str,
    runbook: &'static str,
    runbook_page: &'static str,
    means: &'static str,
    remedy: &'static str,
}

impl Words {
    const fn of(language: Language) -> Self {
        match language {
            Language::English => Self {
                language,
                title: "Checks",
                introduction: "What `seamless-health-check` checks. `--list` shows the same on a terminal, and `--explain ID` one of them; \
                    `--only` and `--skip` take ids and groups. *Severity* is the worst that a check comes to. A check whose \
                    precondition (*after*) has not passed is skipped.",
                severity: "severity",
                needs: "needs",
                after: "after",
                nothing: "nothing",
                runbook: "runbook",
                runbook_page: "../runbook.md",
                means: "When it does not pass.",
                remedy: "What to do.",
            },
            Language::Korean => Self {
                language,
                title: "점검",
                introduction: "`seamless-health-check`가 확인하는 것. 터미널에서는 `--list`가 같은 목록을, `--explain ID`가 그중 하나를 보여 준다. \
                    `--only`와 `--skip`에는 id나 그룹을 준다. *심각도*는 점검이 낼 수 있는 가장 나쁜 결과다. 선행 점검이 통과하지 \
                    못하면 점검을 건너뛴다.",
                severity: "심각도",
                needs: "필요한 것",
                after: "선행 점검",
                nothing: "없음",
                runbook: "런북",
                runbook_page: "../runbook.ko.md",
                means: "통과하지 못하면.",
                remedy: "할 일.",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_has_every_check_once() {
        for language in [Language::English, Language::Korean] {
            let page = page(language);
            for check in checks::all() {
                let anchor = format!("<a id=\"{}\"></a>", check.id().replace('/', "-"));
                assert_eq!(page.matches(&anchor).count(), 1, "{anchor}");
            }
        }
    }

    #[test]
    fn on_a_terminal_no_line_is_wider_than_it() {
        let plain = Palette::plain();
        let all = checks::all();
        let mut texts = vec![list(&all, plain, Some(80))];
        texts.extend(all.iter().map(|check| explanation(check, plain, Some(80))));
        for line in texts.iter().flat_map(|text| text.lines()) {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
