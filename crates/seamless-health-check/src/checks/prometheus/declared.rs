//! What the targets that export the metrics say of families that have no series.

use std::collections::BTreeMap;

use seamless_core::prometheus::{MetricMetadata, Target};

use crate::presence::Jobs;
use crate::request::RequestedMetric;
use crate::site::Site;
use crate::verdict::Next;

/// What targets say of a family that has no series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::checks) enum Declared {
    No,
    /// By a target that may be down by now: Prometheus keeps what it said.
    Perhaps,
    Yes,
}

/// The targets that export the metrics, as far as it is known which those are.
pub(in crate::checks) struct Exporters<'s> {
    jobs: Option<&'s Jobs>,
    targets: &'s [Target],
    metadata: Option<&'s BTreeMap<String, Vec<MetricMetadata>>>,
}

impl<'s> Exporters<'s> {
    pub(in crate::checks) async fn of(site: &'s Site<'_>) -> Self {
        let (jobs, targets, metadata) = tokio::join!(site.jobs(), site.targets(), site.metadata());
        Self {
            jobs: jobs.ok(),
            targets: targets.unwrap_or_default(),
            metadata: metadata.ok(),
        }
    }

    /// No target, of which this is stated.
    #[cfg(test)]
    pub(in crate::checks) const fn stating(
        metadata: &'s BTreeMap<String, Vec<MetricMetadata>>,
    ) -> Self {
        Self {
            jobs: None,
            targets: &[],
            metadata: Some(metadata),
        }
    }

    /// The command that looks at what the first of them exposes.
    pub(super) fn exposition(&self) -> Option<Next> {
        let jobs = self.jobs?;
        let mut targets = self.targets.iter();
        let target = targets.find(|target| jobs.contains(target.labels.get("job")))?;
        let arguments = ["--only", "exposition", "--metrics-url", &target.scrape_url];
        Some(Next::health_check(&arguments))
    }

    /// Whether a target that is scraped states its type. A labelled series appears with its first event: until
    /// then the type is all that there is of the family.
    pub(in crate::checks) fn declare(&self, metric: &RequestedMetric) -> Declared {
        let stated = |name: &String| {
            self.metadata
                .is_some_and(|stated| stated.contains_key(name))
        };
        let is_stated = metric.exposed.iter().any(stated);
        let is_mine = |job: &str| {
            self.jobs
                .is_none_or(|jobs| jobs.is_empty() || jobs.contains(job))
        };
        let mut targets = self.targets.iter();
        let one_is_down =
            targets.any(|target| target.health != "up" && is_mine(target.labels.get("job")));
        match (is_stated, one_is_down) {
            (false, _) => Declared::No,
            (true, true) => Declared::Perhaps,
            (true, false) => Declared::Yes,
        }
    }
}
