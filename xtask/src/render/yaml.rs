//! `alert_rules.yml`: the rules in the order and form in which a person reads them.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const HEADER: &str = "\
# Rendered by `cargo xtask render` from dashboards/; change it there.
# Load it with `rule_files: [alert_rules.yml]`; check it with `promtool check rules alert_rules.yml`.
";

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RenderedFile {
    groups: Vec<RenderedGroup>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RenderedGroup {
    name: String,
    interval: String,
    rules: Vec<RenderedRule>,
}

/// The order of the keys is the order of the file.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RenderedRule {
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<String>,
    expr: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#for: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<AlertAnnotations>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct AlertAnnotations {
    summary: String,
    description: String,
    runbook_url: String,
    dashboard_url: String,
}

/// The text of a rule file, from the JSON that the sources evaluate to.
///
/// # Errors
/// JSON that is not a rule file of the expected shape.
pub(super) fn rule_file(json: &str) -> anyhow::Result<String> {
    let file: RenderedFile =
        serde_json::from_str(json).context("the rendered rules have another shape")?;
    // Lines are broken where the sources break them and nowhere else.
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    let mut body = HEADER.to_owned();
    serde_saphyr::to_fmt_writer_with_options(&mut body, &file, options)
        .context("the rendered rules cannot be written")?;
    Ok(body)
}
