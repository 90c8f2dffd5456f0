//! The metrics of the simulated runtime, exposed as the Python client library does.
//!
//! Owns its habits: every number is written as a float (`le="60.0"`), counters carry `_total`, and each
//! counter and histogram has a `_created` family beside it. The shipped tools must cope with all three.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use seamless_core::schema::{self, Buckets, Family, Kind};

/// Series by family and label values. A series is there from its first event on.
#[derive(Debug, Default)]
pub(super) struct Registry {
    buckets: Buckets,
    families: BTreeMap<&'static str, BTreeMap<Vec<String>, SeriesState>>,
}

#[derive(Debug)]
struct SeriesState {
    created: f64,
    value: f64,
    // Per bucket, not cumulative; the last is +Inf. Empty unless it is a histogram.
    buckets: Vec<u64>,
}

impl Registry {
    /// An empty one.
    pub(super) fn new(buckets: Buckets) -> Self {
        Self {
            buckets,
            families: BTreeMap::new(),
        }
    }

    /// Adds to a counter or gauge.
    pub(super) fn add(&mut self, family: &str, labels: &[String], amount: f64, now: f64) {
        if let Some((_, series)) = self.series(family, labels, now) {
            series.value += amount;
        }
    }

    /// Sets a gauge.
    pub(super) fn set(&mut self, family: &str, labels: &[String], value: f64, now: f64) {
        if let Some((_, series)) = self.series(family, labels, now) {
            series.value = value;
        }
    }

    /// Observes a value in a histogram.
    pub(super) fn observe(&mut self, family: &str, labels: &[String], value: f64, now: f64) {
        let chosen = self.buckets;
        let Some((family, series)) = self.series(family, labels, now) else {
            return;
        };
        if let Kind::Histogram(bounds) = family.kind {
            let bucket = chosen
                .bounds(bounds)
                .partition_point(|bound| value > *bound);
            series.buckets[bucket] += 1;
            series.value += value;
        }
    }

    fn series(
        &mut self,
        family: &str,
        labels: &[String],
        now: f64,
    ) -> Option<(&'static Family, &mut SeriesState)> {
        let family = schema::family(family)?;
        debug_assert_eq!(family.labels.len(), labels.len(), "{}", family.name);
        let buckets = match family.kind {
            Kind::Histogram(bounds) => self.buckets.bounds(bounds).len() + 1,
            Kind::Counter | Kind::Gauge => 0,
        };
        let series = self
            .families
            .entry(family.name)
            .or_default()
            .entry(labels.to_vec())
            .or_insert_with(|| SeriesState {
                created: now,
                value: 0.0,
                buckets: vec![0; buckets],
            });
        Some((family, series))
    }

    /// The exposition. A family without a series yet is declared all the same, as the client does.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        let none = BTreeMap::new();
        for family in schema::FAMILIES {
            let series = self.families.get(family.name).unwrap_or(&none);
            write_family(&mut out, family, self.buckets, series);
        }
        out
    }
}

// Writing to a String cannot fail.
fn write_family(
    out: &mut String,
    family: &Family,
    buckets: Buckets,
    all: &BTreeMap<Vec<String>, SeriesState>,
) {
    let name = family.exposition_name();
    head(out, &name, family.help, family.kind.word());
    for (values, series) in all {
        let labels = labels(family, values);
        match family.kind {
            Kind::Counter | Kind::Gauge => {
                let _ = writeln!(out, "{name}{{{labels}}} {:?}", series.value);
            }
            Kind::Histogram(bounds) => {
                let mut below = 0;
                let bounds = buckets
                    .bounds(bounds)
                    .iter()
                    .map(|bound| format!("{bound:?}"));
                for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(&series.buckets) {
                    below += count;
                    let _ = writeln!(
                        out,
                        "{name}_bucket{{{labels},le=\"{bound}\"}} {:?}",
                        below as f64
                    );
                }
                let _ = writeln!(out, "{name}_count{{{labels}}} {:?}", below as f64);
                let _ = writeln!(out, "{name}_sum{{{labels}}} {:?}", series.value);
            }
        }
    }
    if family.kind != Kind::Gauge && !all.is_empty() {
        let created = format!("{}_created", name.strip_suffix("_total").unwrap_or(&name));
        head(out, &created, family.help, "gauge");
        for (values, series) in all {
            let labels = labels(family, values);
            let _ = writeln!(out, "{created}{{{labels}}} {:?}", series.created);
        }
    }
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn labels(family: &Family, values: &[String]) -> String {
    family
        .labels
        .iter()
        .zip(values)
        .map(|(name, value)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            format!("{name}=\"{}\"", value.replace('\n', "\\n"))
        })
        .collect::<Vec<String>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        let mut registry = Registry::default();
        let domain = ["seam-node-1", "60", "a\"b"].map(str::to_owned);
        registry.add("artifact_bytes_written", &domain, 4096.0, 1.5);
        registry.observe("seamless_total_ms", &domain, 60_000.0, 1.5);
        registry.observe("seamless_total_ms", &domain, 700_000.0, 1.5);
        registry.set("coverage_ratio", &domain, 1.0, 1.5);
        registry.text()
    }

    #[test]
    fn it_writes_as_the_python_client_does() {
        let text = text();
        for line in [
            r#"artifact_bytes_written_total{node_id="seam-node-1",interval="60",world_id="a\"b"} 4096.0"#,
            r#"artifact_bytes_written_created{node_id="seam-node-1",interval="60",world_id="a\"b"} 1.5"#,
            r#"seamless_total_ms_bucket{node_id="seam-node-1",interval="60",world_id="a\"b",le="45000.0"} 0.0"#,
            r#"seamless_total_ms_bucket{node_id="seam-node-1",interval="60",world_id="a\"b",le="60000.0"} 1.0"#,
            r#"seamless_total_ms_bucket{node_id="seam-node-1",interval="60",world_id="a\"b",le="+Inf"} 2.0"#,
            r#"seamless_total_ms_count{node_id="seam-node-1",interval="60",world_id="a\"b"} 2.0"#,
            r#"seamless_total_ms_sum{node_id="seam-node-1",interval="60",world_id="a\"b"} 760000.0"#,
            r#"coverage_ratio{node_id="seam-node-1",interval="60",world_id="a\"b"} 1.0"#,
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "no {line} in\n{text}"
            );
        }
        assert!(!text.contains("coverage_ratio_created"));
    }

    #[test]
    fn what_had_no_event_yet_is_declared_and_no_more() {
        let text = Registry::default().text();
        assert!(
            text.contains("# TYPE seamless_total_ms histogram\n"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.starts_with('#')), "{text}");
    }

    #[test]
    fn the_platforms_own_buckets_end_at_ten() {
        let mut registry = Registry::new(Buckets::Platform);
        let domain = ["n", "60", "w"].map(str::to_owned);
        registry.observe("seamless_total_ms", &domain, 240_000.0, 1.5);
        let text = registry.text();
        let bounds = text
            .lines()
            .filter(|line| line.starts_with("seamless_total_ms_bucket"));
        assert_eq!(bounds.count(), schema::CLIENT_BUCKETS.len() + 1);
        assert!(text.contains("le=\"10.0\"} 0.0\n"), "{text}");
    }
}
