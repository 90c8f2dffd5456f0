//! The metrics of the simulated runtime, exposed as the Python client library does.
//!
//! Owns its habits: every number is written as a float (`le="60.0"`), counters carry `_total`, and each
//! counter and histogram has a `_created` family beside it. The shipped tools must cope with all three.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use seamless_core::schema::{self, Family, Kind};

/// Series by family and label values.
#[derive(Debug, Default)]
pub(super) struct Registry {
    families: BTreeMap<&'static str, BTreeMap<Vec<String>, Series>>,
}

#[derive(Debug)]
struct Series {
    created: f64,
    value: f64,
    // Per bucket, not cumulative; the last is +Inf. Empty unless it is a histogram.
    buckets: Vec<u64>,
}

impl Registry {
    /// Shows a series at 0, so that its first increase counts.
    pub(super) fn touch(&mut self, family: &str, labels: &[String], now: f64) {
        self.series(family, labels, now);
    }

    /// Adds to a counter.
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
        let Some((family, series)) = self.series(family, labels, now) else {
            return;
        };
        if let Kind::Histogram(bounds) = family.kind {
            let bucket = bounds.partition_point(|bound| value > *bound);
            series.buckets[bucket] += 1;
            series.value += value;
        }
    }

    /// Drops the oldest series of a family beyond `keep`, as a restart of the worker would.
    pub(super) fn keep_newest(&mut self, family: &str, keep: usize) {
        let Some(all) = self.families.get_mut(family) else {
            return;
        };
        while all.len() > keep {
            let oldest = all
                .iter()
                .min_by(|a, b| a.1.created.total_cmp(&b.1.created))
                .map(|(labels, _)| labels.clone());
            match oldest {
                Some(labels) => all.remove(&labels),
                None => return,
            };
        }
    }

    fn series(
        &mut self,
        family: &str,
        labels: &[String],
        now: f64,
    ) -> Option<(&'static Family, &mut Series)> {
        let family = schema::family(family)?;
        debug_assert_eq!(family.labels.len(), labels.len(), "{}", family.name);
        let buckets = match family.kind {
            Kind::Histogram(bounds) => bounds.len() + 1,
            Kind::Counter | Kind::Gauge => 0,
        };
        let series = self
            .families
            .entry(family.name)
            .or_default()
            .entry(labels.to_vec())
            .or_insert_with(|| Series {
                created: now,
                value: 0.0,
                buckets: vec![0; buckets],
            });
        Some((family, series))
    }

    /// The exposition, without the family named `lost`.
    pub(super) fn text(&self, lost: Option<&str>) -> String {
        let mut out = String::new();
        for family in schema::FAMILIES {
            if let Some(series) = self.families.get(family.name)
                && lost != Some(family.name)
            {
                write_family(&mut out, family, series);
            }
        }
        out
    }
}

// Writing to a String cannot fail.
fn write_family(out: &mut String, family: &Family, all: &BTreeMap<Vec<String>, Series>) {
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
                let bounds = bounds.iter().map(|bound| format!("{bound:?}"));
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
    if family.kind != Kind::Gauge {
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
        registry.text(None)
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
    fn the_oldest_series_go_first() {
        let mut registry = Registry::default();
        for n in 0..4 {
            let lease = ["n".to_owned(), "60".to_owned(), format!("lease-{n}")];
            registry.set(
                "backfill_completion_ratio",
                &lease,
                1.0,
                10.0 - f64::from(n),
            );
        }
        registry.keep_newest("backfill_completion_ratio", 2);
        let text = registry.text(None);
        assert!(
            text.contains("lease-0") && text.contains("lease-1"),
            "{text}"
        );
        assert!(
            !text.contains("lease-2") && !text.contains("lease-3"),
            "{text}"
        );
    }
}
