//! What a rule file costs a Prometheus that scrapes and has data behind it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use seamless_core::rules::RuleFile;
use seamless_lab::servers::Prometheus;
use seamless_lab::wait_until;
use serde_json::{Value, json};

use crate::measure::{MeasuredRun, OwnMetrics};

/// Of a group that states none, as in the shipped `prometheus.yml`.
const EVALUATION_INTERVAL: Duration = Duration::from_secs(30);
/// How often every group is evaluated while it is measured, whatever its own interval: all are, twice.
const ROUND: Duration = Duration::from_secs(20);
/// Two minutes, and the time that evaluating takes.
const EVALUATED_WITHIN: Duration = Duration::from_secs(240);
const LIVE: Duration = Duration::from_secs(50);
/// How often each expression is asked; the least that it took stands.
const ASKED: usize = 4;
const CPU: &str = "process_cpu_seconds_total";

/// A rule file to be measured.
pub(super) struct Rules {
    /// What it is called in the tables.
    pub(super) name: String,
    pub(super) text: String,
    file: RuleFile,
}

/// What a group costs.
pub(super) struct GroupCost {
    pub(super) name: String,
    pub(super) every: Duration,
    /// The server's CPU time for one evaluation of all its expressions, in seconds.
    pub(super) cpu: f64,
    /// How long an evaluation took while the server scraped, in seconds.
    pub(super) wall: f64,
}

/// What a rule file costs.
pub(super) struct Cost {
    pub(super) groups: Vec<GroupCost>,
    /// CPU seconds and names, the costliest first.
    pub(super) rules: Vec<(f64, String)>,
    pub(super) memory_bytes: f64,
    pub(super) series: f64,
    /// Seconds of the health check's whole run.
    pub(super) check: f64,
    /// The machine's load average of one minute while the rules were evaluated.
    pub(super) load: f64,
}

impl Cost {
    /// CPU seconds of one evaluation of every group.
    pub(super) fn round(&self) -> f64 {
        self.groups.iter().map(|group| group.cpu).sum()
    }

    /// CPU seconds in a time, each group at its own interval.
    pub(super) fn within(&self, time: Duration) -> f64 {
        let share = |group: &GroupCost| time.as_secs_f64() / group.every.as_secs_f64();
        self.groups
            .iter()
            .map(|group| group.cpu * share(group))
            .sum()
    }
}

impl Rules {
    /// Reads a rule file.
    ///
    /// # Errors
    /// If it cannot be read, or is none.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| name.clone())?;
        let file = RuleFile::parse(&text).with_context(|| name.clone())?;
        Ok(Self { name, text, file })
    }

    /// The same rules, every group evaluated as often as it takes to measure it.
    fn hurried(&self) -> Result<String> {
        let mut file: serde_json::Value = serde_saphyr::from_str(&self.text)?;
        for group in file["groups"].as_array_mut().into_iter().flatten() {
            group["interval"] = format!("{}s", ROUND.as_secs()).into();
        }
        Ok(file.to_string())
    }

    /// Measures them on a server that scrapes, and leaves it without rules and without targets.
    pub(super) fn cost(&self, prometheus: &Prometheus, health: &Path) -> Result<Cost> {
        prometheus.set_rules(&self.hurried()?)?;
        std::thread::sleep(LIVE);
        let load = load()?;
        let own = OwnMetrics::of(prometheus)?;
        let walls = own.all("prometheus_rule_group_last_duration_seconds");
        let now = prometheus.query("time() - 5")?;
        let now = now.first().context("the server knows no time")?.value;
        // A server that is to evaluate everything every few seconds answers nobody else.
        prometheus.set_rules(&self.text)?;
        wait_until(EVALUATED_WITHIN, "the rules' first evaluation", || {
            are_evaluated(prometheus).unwrap_or(false)
        })?;
        let check = health_check(prometheus, health)?;
        prometheus.set_rules("groups: []")?;
        prometheus.change_config(|config| config["scrape_configs"] = json!([]))?;
        let mut rules = Vec::new();
        let mut groups = Vec::new();
        for group in &self.file.groups {
            let mut cpu = 0.0;
            for rule in &group.rules {
                let seconds =
                    asked(prometheus, &rule.expr, now).with_context(|| rule.name.clone())?;
                cpu += seconds;
                rules.push((seconds, rule.name.clone()));
            }
            let wall = walls.iter().find(|(name, _)| *name == group.name);
            groups.push(GroupCost {
                name: group.name.clone(),
                every: group.interval.unwrap_or(EVALUATION_INTERVAL),
                cpu,
                wall: wall.map_or(f64::NAN, |(_, seconds)| *seconds),
            });
        }
        rules.sort_by(|a, b| b.0.total_cmp(&a.0));
        Ok(Cost {
            groups,
            rules,
            memory_bytes: own.one("process_resident_memory_bytes")?,
            series: own.one("prometheus_tsdb_head_series")?,
            check,
            load,
        })
    }
}

/// Whether the groups that the health check reads, which are evaluated every two minutes or more often, have been.
fn are_evaluated(prometheus: &Prometheus) -> Result<bool> {
    let reply: Value = serde_json::from_str(&prometheus.get("/api/v1/rules", &[])?)?;
    let groups = reply["data"]["groups"].as_array().into_iter().flatten();
    let frequent = groups.filter(|group| group["interval"].as_f64() <= Some(120.0));
    let mut rules = frequent.flat_map(|group| group["rules"].as_array().into_iter().flatten());
    Ok(rules.all(|rule| rule["health"] == "ok"))
}

/// The CPU time that a server which does nothing else takes for an expression. Only the number of its series
/// travels: a rule's answer does not leave the server either.
fn asked(prometheus: &Prometheus, expression: &str, time: f64) -> Result<f64> {
    let query = format!("count({expression})");
    let time = time.to_string();
    let mut least = f64::INFINITY;
    for _ in 0..ASKED {
        let before = OwnMetrics::of(prometheus)?.one(CPU)?;
        prometheus.get("/api/v1/query", &[("query", &query), ("time", &time)])?;
        least = least.min(OwnMetrics::of(prometheus)?.one(CPU)? - before);
    }
    Ok(least)
}

/// Seconds of the health check's run of all that it asks this server.
pub(super) fn health_check(prometheus: &Prometheus, program: &Path) -> Result<f64> {
    let command = [
        program.display().to_string(),
        "--output=json".to_owned(),
        "--timeout=60s".to_owned(),
        "--deadline=120s".to_owned(),
        "--only=prometheus".to_owned(),
        "--only=alerting".to_owned(),
        "--only=sla".to_owned(),
    ];
    let environment = [("QMTL_PROMETHEUS_URL", prometheus.url())];
    let mut least = f64::INFINITY;
    for _ in 0..ASKED {
        let ran = MeasuredRun::of(&command, &environment)?;
        // Any verdict will do, a run that asked nothing will not.
        let said = ran.stderr.lines().last().unwrap_or_default();
        ensure!(
            matches!(ran.code, Some(0 | 1 | 3)),
            "the health check ended with {:?}: {said}",
            ran.code
        );
        least = least.min(ran.seconds);
    }
    Ok(least)
}

/// The machine's load average of one minute.
pub(super) fn load() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").context("/proc/loadavg")?;
    let first = text.split(' ').next().unwrap_or_default();
    first
        .parse()
        .with_context(|| format!("/proc/loadavg: {text}"))
}
