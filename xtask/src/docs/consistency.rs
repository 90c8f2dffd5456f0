//! What holds the written pages together: languages, anchors, links, alerts.
//!
//! Every rule returns its faults as lines that say where and what. Texts are not judged.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result};
use seamless_core::rules;

use super::page::Page;

/// Pages that are written in English and in Korean.
const TRANSLATED: &[&str] = &[
    "pager-to-green",
    "runbook",
    "monitoring",
    "postmortem-template",
    "reference/checks",
];

/// What each alert's section must say, in this order, per language.
const LABELS: [(&str, [&str; 7]); 2] = [
    (
        "docs/runbook.md",
        [
            "Meaning.",
            "What the user feels.",
            "First look.",
            "Likely causes.",
            "Remedy.",
            "How to see that it worked.",
            "Escalate when",
        ],
    ),
    (
        "docs/runbook.ko.md",
        [
            "의미.",
            "사용자 영향.",
            "먼저 볼 곳.",
            "유력한 원인.",
            "조치.",
            "조치 확인.",
            "에스컬레이션.",
        ],
    ),
];

/// Alerts that a site may switch on, and that `alert_rules.yml` is rendered without.
const OPTIONAL: [&str; 1] = ["SeamlessFingerprintCollision"];

/// The pages by their path under the workspace.
type Pages = BTreeMap<PathBuf, Page>;

/// Everything that does not hold, one line each.
///
/// # Errors
/// A page that cannot be read, or shipped rules that cannot.
pub fn faults(root: &Path) -> Result<Vec<String>> {
    let pages = read(root)?;
    let mut faults = Vec::new();
    for name in TRANSLATED {
        faults.extend(translation(&pages, name));
    }
    faults.extend(links(&pages, root));
    faults.extend(alerts(&pages)?);
    Ok(faults)
}

/// `README.md` and every page of `docs/`.
fn read(root: &Path) -> Result<Pages> {
    let mut paths = vec![PathBuf::from("README.md")];
    for folder in ["docs", "docs/reference"] {
        let entries = fs::read_dir(root.join(folder)).with_context(|| format!("no {folder}"))?;
        for entry in entries {
            paths.push(Path::new(folder).join(entry?.file_name()));
        }
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(root.join(&path))
                .with_context(|| format!("cannot read {}", path.display()))?;
            Ok((path, Page::parse(&text)))
        })
        .collect()
}

/// The Korean page has the English page's headings, commands, tables and links, in its order.
fn translation(pages: &Pages, name: &str) -> Vec<String> {
    let path = |language: &str| PathBuf::from(format!("docs/{name}{language}.md"));
    let (Some(english), Some(korean)) = (pages.get(&path("")), pages.get(&path(".ko"))) else {
        return vec![format!("docs/{name}: not there in both languages")];
    };
    let headings = |page: &Page| -> Vec<String> {
        let heading = page.headings.iter().skip(1);
        heading
            .map(|heading| format!("{} {}", "#".repeat(heading.level.into()), heading.anchor))
            .collect()
    };
    let blocks = |page: &Page| -> Vec<String> {
        let block = page.blocks.iter();
        block
            .map(|b| format!("{}: {}: {}", page.place(b.heading), b.language, b.text))
            .collect()
    };
    let tables = |page: &Page| -> Vec<String> {
        let shape = page.tables.iter().map(|table| {
            let heading = table.heading.map_or(0, |index| index + 1);
            format!(
                "{} rows of {} columns under heading {heading}",
                table.rows, table.columns
            )
        });
        shape.collect()
    };
    // A Korean page links to Korean pages where there are any.
    let links = |page: &Page| -> Vec<String> {
        let link = page.links.iter();
        link.map(|link| link.target.replace(".ko.md", ".md"))
            .collect()
    };
    let mut faults = Vec::new();
    let mut compare = |what, left: Vec<String>, right: Vec<String>| {
        let length = left.len().max(right.len());
        let differing = (0..length).find(|index| left.get(*index) != right.get(*index));
        faults.extend(differing.map(|index| {
            let shown = |side: &[String]| side.get(index).cloned().unwrap_or("nothing".to_owned());
            format!(
                "docs/{name}.ko.md: {what} {} is `{}`, in English `{}`",
                index + 1,
                shown(&right).trim_end(),
                shown(&left).trim_end()
            )
        }));
    };
    compare("heading", headings(english), headings(korean));
    compare("code block", blocks(english), blocks(korean));
    compare("table", tables(english), tables(korean));
    // Sentences of another language may name things in another order.
    let sorted = |mut targets: Vec<String>| {
        targets.sort();
        targets
    };
    compare("link", sorted(links(english)), sorted(links(korean)));
    faults
}

/// Every link inside the project leads to a file that exists, and to an anchor of it.
fn links(pages: &Pages, root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, page) in pages {
        for link in &page.links {
            if link.target.contains("://") || link.target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = match link.target.split_once('#') {
                Some((file, anchor)) => (file, Some(anchor)),
                None => (link.target.as_str(), None),
            };
            let target = if file.is_empty() {
                path.clone()
            } else {
                join(path.parent().unwrap_or(Path::new("")), file)
            };
            let found = match (pages.get(&target), anchor) {
                (Some(page), Some(anchor)) => page.has(anchor),
                _ => root.join(&target).exists(),
            };
            if !found {
                let place = path.display();
                faults.push(format!(
                    "{place}:{}: {} leads nowhere",
                    link.line, link.target
                ));
            }
        }
    }
    faults
}

/// `folder/relative` without `..`.
fn join(folder: &Path, relative: &str) -> PathBuf {
    let mut joined = PathBuf::new();
    for part in folder.join(relative).components() {
        match part {
            Component::ParentDir => {
                joined.pop();
            }
            Component::CurDir => {}
            part => joined.push(part),
        }
    }
    joined
}

/// The runbook has one section for each shipped alert and for no other, and each says all there is to
/// say.
fn alerts(pages: &Pages) -> Result<Vec<String>> {
    let shipped = rules::shipped().context("alert_rules.yml")?;
    let names: BTreeSet<&str> = shipped.alerts().map(|alert| alert.name.as_str()).collect();
    let mut faults = Vec::new();
    for (path, labels) in LABELS {
        let Some(page) = pages.get(Path::new(path)) else {
            faults.push(format!("{path}: missing"));
            continue;
        };
        let sections: BTreeSet<&str> = page
            .headings
            .iter()
            .map(|heading| heading.text.as_str())
            .filter(|text| text.starts_with("Seamless") && !text.contains(' '))
            .collect();
        for name in names.difference(&sections) {
            faults.push(format!("{path}: no section for the alert {name}"));
        }
        for name in sections
            .difference(&names)
            .filter(|name| !OPTIONAL.contains(name))
        {
            faults.push(format!("{path}: {name} is no alert of alert_rules.yml"));
        }
        for (index, heading) in page.headings.iter().enumerate() {
            if !names.contains(heading.text.as_str()) {
                continue;
            }
            let label = page.labels.iter().filter(|l| l.heading == Some(index));
            let said: Vec<&str> = label.map(|label| label.text.as_str()).collect();
            if said != labels {
                faults.push(format!(
                    "{path}:{}: {} says {said:?}, it must say {labels:?}",
                    heading.line, heading.text
                ));
            }
        }
    }
    for alert in shipped.alerts() {
        let url = alert.annotations.get("runbook_url");
        let anchor = url.and_then(|url| url.split_once("runbook.md#"));
        let found = anchor.is_some_and(|(_, anchor)| {
            LABELS
                .iter()
                .all(|(path, _)| pages.get(Path::new(path)).is_some_and(|p| p.has(anchor)))
        });
        if !found {
            faults.push(format!(
                "alert_rules.yml: the runbook_url of {} leads nowhere: {url:?}",
                alert.name
            ));
        }
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH: &str = "# A\n\n## B\n\n[x](#b)\n\n```sh\nls\n```\n";

    fn pages(korean: &str) -> Pages {
        [("", ENGLISH), (".ko", korean)]
            .into_iter()
            .map(|(language, text)| {
                let path = PathBuf::from(format!("docs/page{language}.md"));
                (path, Page::parse(text))
            })
            .collect()
    }

    #[test]
    fn a_translation_keeps_anchors_commands_and_links() {
        let good = "# 가\n\n<a id=\"b\"></a>\n\n## 나\n\n[x](#b)\n\n```sh\nls\n```\n";
        assert_eq!(translation(&pages(good), "page"), Vec::<String>::new());
        for (from, to, fault) in [
            (
                "<a id=\"b\"></a>\n\n",
                "",
                "heading 1 is `## 나`, in English `## b`",
            ),
            (
                "ls\n",
                "rm\n",
                "code block 1 is `b: sh: rm`, in English `b: sh: ls`",
            ),
            ("(#b)", "(#c)", "link 1 is `#c`, in English `#b`"),
        ] {
            let bad = good.replace(from, to);
            let found = translation(&pages(&bad), "page").join("\n");
            assert!(found.contains(fault), "{found}");
        }
        assert_eq!(translation(&pages(good), "other").len(), 1);
    }

    #[test]
    fn links_lead_somewhere() {
        let root = tempfile::tempdir().unwrap();
        let page = "# A\n\n## B\n\n[a](#b) [b](#c) [c](../gone.md) [d](https://x.example/#y)\n";
        let pages = Pages::from([(PathBuf::from("docs/a.md"), Page::parse(page))]);
        assert_eq!(
            links(&pages, root.path()),
            [
                "docs/a.md:5: #c leads nowhere",
                "docs/a.md:5: ../gone.md leads nowhere"
            ]
        );
    }

    #[test]
    fn a_runbook_without_a_section_is_told() {
        let faults = alerts(&Pages::new()).unwrap();
        assert!(
            faults.contains(&"docs/runbook.md: missing".to_owned()),
            "{faults:?}"
        );
    }
}
