//! What the analysis of expressions promises, held against a real Prometheus: random expressions over random
//! series within the schema's bounds. No value lies outside what the analysis allows, and nothing is absent
//! where that was excluded, or there where it was.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "what a test needs and cannot get fails it; its seed and its counts are to be seen"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use seamless_core::analysis::{AbstractValue, Analysis, Layouts};
use seamless_core::promql::Expression;
use seamless_core::remote_write::{
    self, BucketSpan, NativeHistogram, TimeSeries, WriteRequest, WriteSample,
};
use seamless_core::rules::RuleFile;
use seamless_core::schema::SECONDS_BUCKETS;
use seamless_lab::servers::Prometheus;
use seamless_lab::wait_for;
use serde_json::Value;

/// Expressions per run.
const EXPRESSIONS: usize = 9000;
/// How often each operator and function must occur in a run.
const OFTEN: usize = 100;
const STEP_MS: i64 = 15_000;
const SAMPLES: i64 = 60;
const RULES: &str = "
groups:
- name: a
  rules:
  - {record: 'rec:ratio', expr: 'avg by (node_id) (coverage_ratio)', labels: {site: s}}
";

fn now_ms() -> i64 {
    seamless_lab::coordinator::now_ms()
}

/// Series of one name with these labels, whose values `next` gives.
fn series(
    into: &mut Vec<TimeSeries>,
    labels: &[(&str, &str)],
    end: i64,
    mut next: impl FnMut() -> f64,
) {
    let labels = labels
        .iter()
        .copied()
        .filter(|(_, value)| !value.is_empty());
    let labels = remote_write::labels(labels);
    let samples = (0..SAMPLES)
        .map(|index| WriteSample {
            value: next(),
            timestamp: end - (SAMPLES - 1 - index) * STEP_MS,
        })
        .collect();
    into.push(TimeSeries {
        labels,
        samples,
        histograms: Vec::new(),
    });
}

/// Native histograms of one name, to which each sample adds an observation from 1/16 s to 1,024 s.
fn native(random: &mut fastrand::Rng, name: &str, node: &str, end: i64) -> TimeSeries {
    const BUCKETS: usize = 15;
    let mut counts = [0_i64; BUCKETS];
    let mut sum = 0.0;
    let labels = remote_write::labels([("__name__", name), ("node_id", node), ("phase", "total")]);
    let histograms = (0..SAMPLES)
        .map(|index| {
            let bucket = random.usize(..BUCKETS);
            counts[bucket] += 1;
            sum += f64::from(1_u32 << bucket) / 16.0;
            let before = [&[0], &counts[..]].concat();
            let deltas = counts
                .iter()
                .zip(before)
                .map(|(count, before)| count - before);
            NativeHistogram {
                count: u64::try_from(counts.iter().sum::<i64>()).unwrap(),
                sum,
                schema: 0,
                zero_threshold: 1e-128,
                positive_spans: vec![BucketSpan {
                    offset: -4,
                    length: u32::try_from(BUCKETS).unwrap(),
                }],
                positive_deltas: deltas.collect(),
                timestamp: end - (SAMPLES - 1 - index) * STEP_MS,
            }
        })
        .collect();
    TimeSeries {
        labels,
        samples: Vec::new(),
        histograms,
    }
}

/// Random series within the schema's bounds, edges included.
fn data(random: &mut fastrand::Rng, end: i64) -> Vec<TimeSeries> {
    let mut all = Vec::new();
    for (node, world) in [("n1", "w"), ("n2", ""), ("n3", "w")] {
        let domain = [("node_id", node), ("interval", "60"), ("world_id", world)];
        let named = |name: &'static str| [&[("__name__", name)], &domain[..]].concat();
        let mut one = fastrand::Rng::with_seed(random.u64(..));
        let mut ratio = || {
            *one.choice(&[0.0, 1.0, one.clone().f64(), 0.5])
                .unwrap_or(&0.0)
        };
        series(&mut all, &named("coverage_ratio"), end, &mut ratio);
        if node != "n3" {
            let lease = [
                &named("backfill_completion_ratio")[..3],
                &[("lease_key", node)],
            ]
            .concat();
            series(&mut all, &lease, end, &mut ratio);
        }
        let mut one = fastrand::Rng::with_seed(random.u64(..));
        series(&mut all, &named("live_staleness_seconds"), end, || {
            one.f64() * [0.0, 1.0, 1e4][one.usize(..3)]
        });
        let mut count = 0.0;
        for flag in ["gap", "non_finite"] {
            let labels = [
                &named("seamless_conformance_flag_total")[..],
                &[("flag_type", flag)],
            ];
            series(&mut all, &labels.concat(), end, || {
                count = if one.u8(..20) == 0 {
                    0.0
                } else {
                    count + f64::from(one.u8(..9))
                };
                count
            });
        }
        for phase in ["total", "live_wait"] {
            // Each sample is one more observation in a bucket; `+Inf` holds them all.
            let mut seen: Vec<f64> = vec![0.0; SECONDS_BUCKETS.len() + 1];
            let history: Vec<Vec<f64>> = (0..SAMPLES)
                .map(|_| {
                    let bucket = one.usize(..seen.len());
                    seen.iter_mut().skip(bucket).for_each(|count| *count += 1.0);
                    seen.clone()
                })
                .collect();
            let edges = SECONDS_BUCKETS.iter().map(f64::to_string);
            for (index, le) in edges.chain(["+Inf".to_owned()]).enumerate() {
                let mut values = history.iter().map(|counts| counts[index]);
                let name = "seamless_sla_deadline_seconds_bucket";
                let labels = [
                    ("__name__", name),
                    ("node_id", node),
                    ("phase", phase),
                    ("le", &*le),
                ];
                series(&mut all, &labels, end, || values.next().unwrap_or_default());
            }
        }
    }
    // One whose buckets are not those of the classic one.
    for node in ["n1", "n2"] {
        all.push(native(random, "seamless_sla_deadline_seconds", node, end));
    }
    all
}

/// A writer of random expressions, which counts what it uses.
struct ExpressionWriter {
    random: fastrand::Rng,
    used: BTreeMap<&'static str, usize>,
}

const ARITHMETIC: [&str; 7] = ["+", "-", "*", "/", "%", "^", "atan2"];
const COMPARISONS: [&str; 6] = [">", "<", ">=", "<=", "==", "!="];
const SETS: [&str; 3] = ["and", "or", "unless"];
const AGGREGATES: [&str; 8] = [
    "sum", "avg", "min", "max", "count", "group", "stddev", "stdvar",
];
const MAPS: [&str; 14] = [
    "abs",
    "ceil",
    "floor",
    "round",
    "sgn",
    "sqrt",
    "exp",
    "ln",
    "log2",
    "log10",
    "sin",
    "cos",
    "timestamp",
    "sort",
];
const OVER_TIME: [&str; 18] = [
    "rate",
    "increase",
    "irate",
    "delta",
    "idelta",
    "deriv",
    "changes",
    "resets",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "last_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "present_over_time",
    "absent_over_time",
];
const CALENDAR: [&str; 7] = [
    "minute",
    "hour",
    "month",
    "day_of_week",
    "day_of_month",
    "day_of_year",
    "days_in_month",
];
/// Of native histograms.
const NATIVE: [&str; 3] = ["histogram_count", "histogram_sum", "histogram_fraction"];
const OTHERS: [&str; 16] = [
    "quantile",
    "topk",
    "bottomk",
    "clamp",
    "clamp_min",
    "clamp_max",
    "absent",
    "vector",
    "scalar",
    "time",
    "quantile_over_time",
    "histogram_quantile",
    "label_replace",
    "bool",
    "group_left",
    "count_values",
];

impl ExpressionWriter {
    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        // What was used least comes more often, so that nothing is missed.
        let (a, b) = (
            self.random.usize(..from.len()),
            self.random.usize(..from.len()),
        );
        let count = |word: &str| self.used.get(word).copied().unwrap_or(0);
        let word = if count(from[a]) <= count(from[b]) {
            from[a]
        } else {
            from[b]
        };
        *self.used.entry(word).or_default() += 1;
        word
    }

    fn use_word(&mut self, word: &'static str) -> &'static str {
        self.pick(&[word])
    }

    fn number(&mut self) -> String {
        let numbers = ["0", "1", "-1", "0.5", "2", "100", "-0.25", "60", "1e6"];
        numbers[self.random.usize(..numbers.len())].to_owned()
    }

    fn scalar(&mut self, depth: u32) -> String {
        match self.random.u8(..10) {
            _ if depth == 0 => self.number(),
            0 => format!("{}()", self.use_word("time")),
            1 => format!("{}({})", self.use_word("scalar"), self.vector(depth - 1)),
            2 => format!(
                "({} {} {})",
                self.scalar(depth - 1),
                self.pick(&ARITHMETIC),
                self.scalar(depth - 1)
            ),
            _ => self.number(),
        }
    }

    fn selector(&mut self) -> String {
        let names = [
            "coverage_ratio",
            "backfill_completion_ratio",
            "live_staleness_seconds",
            "seamless_conformance_flag_total",
            "seamless_sla_deadline_seconds_bucket",
            "gap_repair_latency_ms_count",
        ];
        // The last has no series: what is absent must be allowed for.
        let known = usize::from(self.random.u8(..4) > 0);
        let name = names[self.random.usize(..names.len() - known)];
        let matchers = [
            "",
            "",
            "{node_id=\"n1\"}",
            "{world_id=\"\"}",
            "{node_id!=\"n2\"}",
        ];
        let offset = ["", "", "", " offset 1m"];
        format!(
            "{name}{}{}",
            matchers[self.random.usize(..matchers.len())],
            offset[self.random.usize(..offset.len())]
        )
    }

    fn ranged(&mut self, depth: u32) -> String {
        if depth > 0 && self.random.u8(..4) == 0 {
            return format!("({})[2m:15s]", self.vector(depth - 1));
        }
        let selector = self.selector();
        match selector.split_once(" offset") {
            Some((series, offset)) => format!("{series}[3m] offset{offset}"),
            None => format!("{selector}[3m]"),
        }
    }

    fn vector(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.selector();
        }
        let next = depth - 1;
        match self.random.u8(..24) {
            0..2 => self.selector(),
            2 => format!("-{}", self.vector(0)),
            3..5 => {
                let (left, right) = (self.vector(next), self.scalar(next));
                let op = self.pick(&ARITHMETIC);
                if self.random.bool() {
                    format!("({left} {op} {right})")
                } else {
                    format!("({right} {op} {left})")
                }
            }
            5..8 => {
                let (left, right) = (self.vector(next), self.scalar(next));
                let op = self.pick(&COMPARISONS);
                let bool = if self.random.bool() {
                    self.use_word("bool")
                } else {
                    ""
                };
                if self.random.bool() {
                    format!("({left} {op} {bool} {right})")
                } else {
                    format!("({right} {op} {bool} {left})")
                }
            }
            8 => {
                let by = ["sum by (node_id)", "max by (node_id)"][self.random.usize(..2)];
                let (left, right) = (self.vector(next), self.vector(next));
                let op = if self.random.bool() {
                    self.pick(&ARITHMETIC)
                } else {
                    self.pick(&COMPARISONS)
                };
                match self.random.u8(..3) {
                    0 => format!("({by} ({left}) {op} on (node_id) {by} ({right}))"),
                    1 => format!("({by} ({left}) {op} {by} ({right}))"),
                    _ => {
                        let word = self.use_word("group_left");
                        format!("({left} {op} on (node_id) {word} () {by} ({right}))")
                    }
                }
            }
            9..11 => {
                let (left, right) = (self.vector(next), self.vector(next));
                let matching = [
                    "",
                    "on (node_id)",
                    "on ()",
                    "ignoring (le, phase, flag_type)",
                ];
                let mut matching = matching[self.random.usize(..4)];
                let mut left = left;
                if self.random.u8(..4) == 0 {
                    // Always there: what the right side lacks shows.
                    (left, matching) = ("vector(1)".to_owned(), "on ()");
                }
                format!("({left} {} {matching} {right})", self.pick(&SETS))
            }
            11..13 => {
                let by = ["", "by (node_id)", "without (world_id)", "by (node_id, le)"];
                let by = by[self.random.usize(..4)];
                format!("{} {by} ({})", self.pick(&AGGREGATES), self.vector(next))
            }
            13..16 => format!("{}({})", self.pick(&MAPS), self.vector(next)),
            16..20 => format!("{}({})", self.pick(&OVER_TIME), self.ranged(next)),
            20 => format!("{}({})", self.pick(&CALENDAR), self.vector(next)),
            21 => self.of_native(),
            _ => self.special(next),
        }
    }

    fn of_native(&mut self) -> String {
        let series = "seamless_sla_deadline_seconds";
        let histogram = [
            series.to_owned(),
            format!("rate({series}[5m])"),
            format!("sum(rate({series}[5m]))"),
            format!("sum by (node_id) ({series})"),
        ];
        let histogram = &histogram[self.random.usize(..histogram.len())];
        match self.pick(&[NATIVE[0], NATIVE[1], NATIVE[2], "histogram_quantile"]) {
            "histogram_fraction" => {
                let bounds = ["0, 60", "-1, 0", "0, +Inf", "60, 0"][self.random.usize(..4)];
                format!("histogram_fraction({bounds}, {histogram})")
            }
            "histogram_quantile" => {
                let q = ["0", "0.5", "0.99", "1", "1.5"][self.random.usize(..5)];
                format!("histogram_quantile({q}, {histogram})")
            }
            word => format!("{word}({histogram})"),
        }
    }

    fn special(&mut self, depth: u32) -> String {
        let word = self.pick(&OTHERS);
        match word {
            "quantile" | "topk" | "bottomk" => {
                let parameter = ["0", "1", "2", "0.5", "-1"][self.random.usize(..5)];
                format!("{word} by (node_id) ({parameter}, {})", self.vector(depth))
            }
            "clamp" => format!(
                "clamp({}, {}, {})",
                self.vector(depth),
                self.number(),
                self.number()
            ),
            "clamp_min" | "clamp_max" => {
                format!("{word}({}, {})", self.vector(depth), self.number())
            }
            "absent" => format!("absent({})", self.vector(depth)),
            "vector" => format!("vector({})", self.scalar(depth)),
            "scalar" => format!("vector(scalar({}))", self.vector(depth)),
            "time" => "vector(time())".to_owned(),
            "quantile_over_time" => format!(
                "quantile_over_time(0.{}, {})",
                self.random.u8(1..10),
                self.ranged(0)
            ),
            "histogram_quantile" => {
                let q = ["0", "0.5", "0.99", "1", "1.5", "-0.5"][self.random.usize(..6)];
                let buckets = "rate(seamless_sla_deadline_seconds_bucket[5m])";
                let by = [
                    "sum by (le, node_id)",
                    "sum by (le)",
                    "",
                    "sum",
                    "max by (le)",
                ];
                format!(
                    "histogram_quantile({q}, {} ({buckets}))",
                    by[self.random.usize(..5)]
                )
            }
            "label_replace" => format!(
                "label_replace({}, \"node_id\", \"n9\", \"\", \"\")",
                self.vector(depth)
            ),
            "bool" => format!("({} > bool {})", self.vector(depth), self.number()),
            "group_left" => format!(
                "({} * on (node_id) group_left () max by (node_id) ({}))",
                self.vector(depth),
                self.vector(depth)
            ),
            _ => format!("count_values by (node_id) (\"v\", {})", self.vector(depth)),
        }
    }
}

/// A Prometheus with the series, asked over one connection.
struct Oracle {
    client: reqwest::blocking::Client,
    url: String,
    at: String,
}

/// The values that Prometheus gives, or none if it refuses the expression.
fn evaluated(prometheus: &Oracle, expr: &str) -> Option<Vec<f64>> {
    let request = prometheus
        .client
        .post(format!("{}/api/v1/query", prometheus.url));
    let request = request.form(&[("query", expr), ("time", &*prometheus.at)]);
    let text = request.send().ok()?.text().ok()?;
    let answer: Value = serde_json::from_str(&text).ok()?;
    let data = &answer["data"];
    let number = |sample: &Value| sample[1].as_str()?.parse::<f64>().ok();
    match data["resultType"].as_str()? {
        "scalar" => Some(vec![number(&data["result"])?]),
        "vector" => data["result"]
            .as_array()?
            .iter()
            .map(|element| number(&element["value"]))
            .collect(),
        _ => None,
    }
}

/// What is wrong with what the analysis says of these values, if anything.
fn wrong(fact: &AbstractValue, values: &[f64]) -> Option<String> {
    // Rounding in the last digits differs between libraries and with the order of a sum.
    let near = |value: f64| {
        let slack = 1e-9 * value.abs().clamp(1e-9, f64::MAX);
        let slack = if value.is_finite() { slack } else { 0.0 };
        let (low, high) = (fact.range.low - slack, fact.range.high + slack);
        fact.allows(value) || (low <= value && value <= high)
    };
    if values.is_empty() && !fact.absent {
        return Some("no result, which was excluded".to_owned());
    }
    if !values.is_empty() && !fact.present {
        return Some(format!(
            "{values:?}, where no result was foretold: {:?}",
            fact.never
        ));
    }
    let outside = values.iter().find(|value| !near(**value))?;
    Some(format!(
        "{outside} is not {} (NaN: {})",
        fact.range, fact.range.nan
    ))
}

/// The smallest part of `expr` that is wrong, too.
fn shrunk(prometheus: &Oracle, analysis: &Analysis<'_>, expr: &str) -> String {
    let query = Expression::from(expr.to_owned());
    let Ok(query) = query.query() else {
        return expr.to_owned();
    };
    for part in query.parts() {
        let text = part.to_string();
        let Some(values) = evaluated(prometheus, &text) else {
            continue;
        };
        let fact = analysis.expression(&Expression::from(text.clone()));
        if text.len() < expr.len() && wrong(&fact, &values).is_some() {
            return shrunk(prometheus, analysis, &text);
        }
    }
    expr.to_owned()
}

fn no_value_lies_outside_what_the_analysis_allows() {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("SEED={seed} makes the same series and expressions");
    let mut random = fastrand::Rng::with_seed(seed);
    let prometheus = Prometheus::builder()
        .remote_write_receiver()
        .native_histograms()
        .start()
        .unwrap();
    let end = now_ms() / STEP_MS * STEP_MS;
    let timeseries = data(&mut random, end);
    let body = WriteRequest { timeseries }.body().unwrap();
    let client = reqwest::blocking::Client::builder()
        .tls_certs_only([])
        .build()
        .unwrap();
    let request = client.post(format!("{}/api/v1/write", prometheus.url()));
    let headers = remote_write::HEADERS.iter();
    headers
        .fold(request, |request, (name, value)| {
            request.header(*name, *value)
        })
        .body(body)
        .send()
        .and_then(reqwest::blocking::Response::error_for_status)
        .unwrap();
    let oracle = Oracle {
        client,
        url: prometheus.url(),
        at: format!("{}.000", end / 1000),
    };
    wait_for(Duration::from_secs(60), "the series", || {
        evaluated(&oracle, "coverage_ratio").filter(|values| values.len() == 3)
    })
    .unwrap();

    let rules = RuleFile::parse(RULES).unwrap();
    let mut layouts = Layouts::of_schema();
    layouts.set_classic(
        "seamless_sla_deadline_seconds",
        SECONDS_BUCKETS.iter().copied(),
    );
    let mut writer = ExpressionWriter {
        random,
        used: BTreeMap::new(),
    };
    let (mut evaluations, mut filled, mut refused) = (0, 0, 0);
    let mut found = String::new();
    while evaluations < EXPRESSIONS {
        let depth = writer.random.u32(1..5);
        let expr = writer.vector(depth);
        let Some(values) = evaluated(&oracle, &expr) else {
            refused += 1;
            assert!(refused < 2 * EXPRESSIONS, "nearly everything is refused");
            continue;
        };
        evaluations += 1;
        filled += usize::from(!values.is_empty());
        let analysis = Analysis::new(&rules, &layouts);
        let fact = analysis.expression(&Expression::from(expr.clone()));
        if wrong(&fact, &values).is_some() {
            let least = shrunk(&oracle, &analysis, &expr);
            let values = evaluated(&oracle, &least).unwrap_or_default();
            let fact = analysis.expression(&Expression::from(least.clone()));
            let why = wrong(&fact, &values).unwrap_or_default();
            let _ = writeln!(found, "{least}: {why}");
            if found.lines().count() > 20 {
                break;
            }
        }
    }
    eprintln!(
        "{evaluations} evaluated, {filled} not empty, {refused} refused; {:?}",
        writer.used
    );
    assert!(found.is_empty(), "SEED={seed}\n{found}");
    assert!(
        filled * 2 >= evaluations,
        "{filled} of {evaluations} are not empty"
    );
    let all = [
        &ARITHMETIC[..],
        &COMPARISONS,
        &SETS,
        &AGGREGATES,
        &MAPS,
        &OVER_TIME,
        &CALENDAR,
        &NATIVE,
        &OTHERS,
    ];
    for word in all.concat() {
        let count = writer.used.get(word).copied().unwrap_or(0);
        assert!(count >= OFTEN, "{word} occurs {count} times only");
    }
}

seamless_lab::on_both_generations!(no_value_lies_outside_what_the_analysis_allows);
