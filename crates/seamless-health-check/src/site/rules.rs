//! The rules that Prometheus has loaded, and what of them the queries of checks follow.

use std::collections::BTreeSet;
use std::time::Duration;

use seamless_core::prometheus::{LoadedGroup, LoadedRule};
use seamless_core::rules::{Profile, Rule};
use seamless_core::schema::Phase;

use super::Site;
use crate::gap::{Fact, Gap};

/// What writes rules that vmalert takes, up to its `--out`.
pub(crate) const VMALERT_RENDER: &str = "cargo xtask render --set native_histograms=false";

/// As many evaluations may have been missed by a rule whose series are read.
const MISSED: f64 = 3.0;
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

    /// Whether what the shipped rules record of the SLA can be read in the place of the histograms: the rules of
    /// these names are loaded as they ship and were evaluated lately, and the budgets are those of their expressions.
    pub(crate) async fn records(&self, names: &[&str]) -> bool {
        let (rules, clock) = tokio::join!(self.rules(), self.clock());
        let (Ok(loaded), Ok(clock)) = (rules, clock) else {
            return false;
        };
        let profile = self.request.profile(loaded);
        let is_own = |phase| !profile.has_budget(phase, self.request.budget(phase, profile));
        let (Ok(shipped), false) = (profile.rules(), Phase::ALL.into_iter().any(is_own)) else {
            return false;
        };
        let shipped = shipped.rules();
        let shipped: Vec<_> = shipped
            .filter(|rule| names.contains(&rule.name.as_str()))
            .collect();
        let loaded = loaded.iter().flat_map(|group| {
            let mine = group.rules.iter();
            let mine = mine.filter(|rule| names.contains(&rule.name.as_str()));
            mine.map(|rule| (rule, group.interval))
        });
        let loaded: Vec<_> = loaded.collect();
        let are_alike = |one: &Rule, other: &LoadedRule| {
            let mut labels = one.labels.iter();
            one.name == other.name
                && labels.all(|(name, value)| other.labels.get(name) == value)
                && one.expr.same_meaning(&other.query).unwrap_or(false)
        };
        let is_on_time = |rule: &LoadedRule, interval: f64| {
            let at = rule.evaluated_at().filter(|_| rule.health == "ok");
            at.is_some_and(|at| clock - at <= MISSED * interval)
        };
        let is_loaded = |one: &&Rule| loaded.iter().any(|(other, _)| are_alike(one, other));
        // Another rule of the name would add series of its own.
        shipped.iter().all(is_loaded)
            && loaded.iter().all(|(rule, interval)| {
                is_on_time(rule, *interval) && shipped.iter().any(|one| are_alike(one, rule))
            })
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
