//! Which of the metrics have series, and had: now, within the last hour and within the last day.

use std::collections::{BTreeMap, BTreeSet};

use seamless_core::prometheus::InstantSeries;

use super::Site;
use crate::gap::{Fact, Gap};
use crate::presence::{Jobs, Presence};
use crate::queries::{self, about_each};

/// As far as a server looks back for a sample.
const LOOK_BACK: f64 = 300.0;
/// As many names as one query may name: far more than anyone asks for.
const NAMES_PER_QUERY: usize = 2000;
const DAY: f64 = 86_400.0;
/// Steps of the look back: a little less than what Prometheus looks back itself.
const LOOK_BACK_STEP: f64 = 290.0;
/// Steps between two of those, where it matters when exactly a series ended.
const FINE_STEP: f64 = 10.0;

impl Site<'_> {
    /// The series there are now, of the metrics and of every family of the schema. Where it does not matter how
    /// many they are, none is read: they may be a hundred times as many as the others.
    pub(crate) async fn series(&self) -> Fact<&Presence> {
        self.once(&self.series, self.count()).await
    }

    /// Whether there are native histograms of the SLA.
    pub(crate) async fn has_native_sla(&self) -> bool {
        let series = self.series().await;
        series.is_ok_and(|series| series.real(&[queries::SLA.to_owned()]) > 0.0)
    }

    async fn count(&self) -> Fact<Presence> {
        let names: Vec<String> = queries::counted(&self.request.metrics)
            .into_iter()
            .collect();
        let queries: Vec<String> = names
            .chunks(NAMES_PER_QUERY)
            .map(queries::presence)
            .collect();
        let (counted, known) = tokio::join!(self.instants(&queries), self.known());
        let mut found = Presence {
            known: known?,
            ..Presence::default()
        };
        for series in counted? {
            let name = series.metric.get("name").to_owned();
            let drill = series.metric.get("drill").to_owned();
            let count = series.value.map_or(0.0, |sample| sample.value);
            if drill.is_empty() {
                let job = series.metric.get("job").to_owned();
                found.jobs.entry(name.clone()).or_default().insert(job);
            }
            *found.now.entry((name, drill)).or_default() += count;
        }
        Ok(found)
    }

    /// The names of the schema's optional families that the server's index has.
    async fn known(&self) -> Fact<BTreeSet<String>> {
        let client = self.prometheus()?;
        let (since, until) = (self.now - LOOK_BACK, self.now);
        let optional = queries::optional();
        let ask = client.label_values("__name__", &optional, since, until);
        match self.answer(ask).await {
            Ok(names) => Ok(self.data(names).into_iter().collect()),
            // That much depends on no optional family.
            Err(Gap::NotOffered(_)) => Ok(BTreeSet::new()),
            Err(gap) => Err(gap),
        }
    }

    /// The series there are now, and when those of the metrics that have none were last seen.
    pub(crate) async fn presence(&self) -> Fact<&Presence> {
        self.once(&self.presence, self.look_back()).await
    }

    async fn look_back(&self) -> Fact<Presence> {
        let mut found = self.series().await?.clone();
        let metrics = self.request.metrics.iter();
        let missing: Vec<String> = metrics
            .filter(|metric| found.real(&metric.tracked) == 0.0)
            .flat_map(|metric| metric.tracked.clone())
            .collect();
        if missing.is_empty() {
            return Ok(found);
        }
        let query = queries::presence_of(&missing);
        let since = self.now - DAY;
        for series in self.range(&query, since, self.now, LOOK_BACK_STEP).await? {
            if let Some(last) = series.values.last() {
                let name = series.metric.get("name").to_owned();
                found.last_seen.insert(name, last.time);
            }
        }
        self.to_the_second(&mut found.last_seen).await?;
        Ok(found)
    }

    /// Replaces each time at which a series could last be seen by that of the sample that was seen: a server
    /// shows a sample for five minutes, and the look back goes in steps.
    async fn to_the_second(&self, last_seen: &mut BTreeMap<String, f64>) -> Fact<()> {
        let seen: Vec<(String, f64)> = last_seen
            .iter()
            .map(|(name, time)| (name.clone(), *time))
            .collect();
        // Names that ended together, as those of a process do, are asked for together.
        for names in seen.chunk_by(|(_, one), (_, other)| (one - other).abs() < 1.0) {
            let Some((_, time)) = names.first() else {
                continue;
            };
            let until = self.now.min(time + LOOK_BACK_STEP);
            let query = queries::newest(names.iter().map(|(name, _)| name.as_str()));
            for series in self.range(&query, *time, until, FINE_STEP).await? {
                let newest = series.values.iter().map(|sample| sample.value);
                if let Some(newest) = newest.reduce(f64::max) {
                    last_seen.insert(series.metric.get("name").to_owned(), newest);
                }
            }
        }
        Ok(())
    }

    /// Of how many series of the metrics a label of the schema is missing, or hidden by one of the target.
    pub(crate) async fn labels(&self) -> Fact<&[InstantSeries]> {
        let metrics = &self.request.metrics;
        let ask = async { self.instants(&about_each(metrics, queries::labels)).await };
        self.once(&self.labels, ask).await.map(Vec::as_slice)
    }

    /// The jobs whose series the metrics are, now or within the last hour.
    pub(crate) async fn jobs(&self) -> Fact<&Jobs> {
        let ask = async {
            let metrics = &self.request.metrics;
            let an_hour_ago = about_each(metrics, queries::jobs_an_hour_ago);
            let (series, before) = tokio::join!(self.series(), self.instants(&an_hour_ago));
            let series = series?;
            let names = metrics.iter().flat_map(|metric| &metric.tracked);
            let now = names.filter_map(|name| series.jobs.get(name)).flatten();
            let of = |found: Vec<InstantSeries>| {
                let jobs = found
                    .into_iter()
                    .map(|one| one.metric.get("job").to_owned());
                jobs.collect::<Jobs>()
            };
            let mut jobs = of(before?);
            jobs.extend(now.cloned());
            if jobs.is_empty() {
                // A whole hour is read only where there is nothing now.
                let queries = about_each(metrics, queries::jobs_of_the_hour);
                jobs = of(self.instants(&queries).await?);
            }
            Ok(jobs)
        };
        self.once(&self.jobs, ask).await
    }
}
