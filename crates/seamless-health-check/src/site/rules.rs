//! The rules that Prometheus has loaded, and what of them the queries of checks follow.

use std::collections::BTreeSet;
use std::time::Duration;

use seamless_core::prometheus::LoadedGroup;
use seamless_core::rules::Profile;

use super::Site;
use crate::gap::{Fact, Gap};

/// What writes rules that vmalert takes, up to its `--out`.
pub(crate) const VMALERT_RENDER: &str = "cargo xtask render --set native_histograms=false";

const DEFAULT_WINDOW: Duration = Duration::from_secs(300);

impl Site<'_> {
    /// The rules that Prometheus has loaded, in their groups.
    pub(crate) async fn rules(&self) -> Fact<&[LoadedGroup]> {
        let look = async {
            let (loaded, alertmanagers) = tokio::join!(self.loaded(), self.alertmanagers());
            let loaded = loaded?;
            // Who knows no Alertmanagers evaluates no rules.
            if loaded.is_empty()
                && matches!(alertmanagers, Err(Gap::NotOffered(_)))
                && self.is_victoria_metrics().await.is_ok_and(|is_it| is_it)
            {
                let reason = format!(
                    "not offered by this server: it evaluates no rules (with VictoriaMetrics, vmalert does: it refuses \
                     alert_rules.yml as shipped and takes what `{VMALERT_RENDER} --out DIR` writes)"
                );
                return Err(Gap::NotOffered(reason));
            }
            // First goes out what waits for this, so that it is answered meanwhile.
            tokio::task::yield_now().await;
            read_expressions(loaded, &self.request.rule_names());
            Ok(())
        };
        self.once(&self.rules, look).await?;
        self.loaded().await
    }

    /// The same, as soon as it is there: whoever takes them for evaluated asks for the rules.
    pub(crate) async fn loaded(&self) -> Fact<&[LoadedGroup]> {
        let ask = async { Ok(self.data(self.prometheus()?.rules().await?)) };
        self.once(&self.loaded, ask).await.map(Vec::as_slice)
    }

    /// Whether it is VictoriaMetrics, which evaluates no rules: it speaks the API and has no revision of its
    /// own. Mimir and Thanos, which do evaluate them, have one.
    pub(crate) async fn is_victoria_metrics(&self) -> Fact<bool> {
        let told = self.answer(self.prometheus()?.build_info()).await?;
        Ok(told.data.revision.is_empty())
    }

    /// The profile that the run's budgets are of.
    pub(crate) async fn profile(&self) -> Profile {
        self.request
            .profile(self.loaded().await.unwrap_or_default())
    }

    /// The range over which the loaded rules look at the p99, so that a check sees what the alert sees.
    pub(crate) async fn window(&self) -> Duration {
        let loaded = self.loaded().await.unwrap_or_default();
        loaded
            .iter()
            .flat_map(|group| &group.rules)
            .filter(|rule| rule.name == "seamless:sla_observations:rate5m")
            .filter_map(|rule| rule.query.query().ok())
            .flat_map(|query| query.selectors())
            .find_map(|selector| selector.range)
            .unwrap_or(DEFAULT_WINDOW)
    }
}

/// Reads the expressions of the loaded rules and of those that ship. The checks compare them, and here the
/// answers are still on their way.
fn read_expressions(loaded: &[LoadedGroup], ours: &BTreeSet<&str>) {
    let loaded = loaded.iter().flat_map(|group| &group.rules);
    let loaded = loaded.filter(|rule| ours.contains(rule.name.as_str()));
    let shipped = seamless_core::rules::shipped();
    let shipped = shipped.iter().flat_map(|file| file.rules());
    let shipped = shipped.map(|rule| &rule.expr);
    for expression in loaded.map(|rule| &rule.query).chain(shipped) {
        // Whoever needs one that cannot be read says so.
        let _ = expression.query();
    }
}
