//! Fetching what the checks need, side by side. Owns which request waits for which (only the SLA figures
//! wait for the rules, whose range they use, and for how many series there are, all buckets for the outer
//! ones, and what is asked of metrics' samples for which metrics have any). It judges nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::Shared;
use seamless_cli::Stop;
use seamless_core::exposition::{ContentType, Scraper};
use seamless_core::http::{self, QUERY_BODY_LIMIT, ServiceError};
use seamless_core::prometheus::{
    InstantSeries, LoadedGroup, LoadedRule, Prometheus, QueryValue, Reply,
};
use seamless_core::rules::Profile;
use seamless_core::schema::Phase;

use crate::facts::{Fact, Facts, Gap, Presence, Source};
use crate::paging;
use crate::queries;
use crate::request::{Metric, Metrics, Request};
use crate::survey::{Exposed, Survey};
use crate::telemetry;

/// As many metrics, or names, as one query may name: far more than anyone asks for.
const METRICS_PER_QUERY: usize = 1000;
const NAMES_PER_QUERY: usize = 2 * METRICS_PER_QUERY;
const DAY: f64 = 86_400.0;
/// Steps of the look back: a little less than what Prometheus looks back itself.
const LOOK_BACK_STEP: f64 = 290.0;
/// Steps between two of those, where it matters when exactly a series ended.
const FINE_STEP: f64 = 10.0;
const HOUR: f64 = 3600.0;
const MOST_HISTORY_STEPS: f64 = 30.0;
/// Fewer draw no line.
const LEAST_HISTORY_STEPS: f64 = 6.0;
/// Series of the SLA histogram, times steps: each costs the server as much as the p99 does.
const MOST_HISTORY: f64 = 6000.0;
const DEFAULT_WINDOW: Duration = Duration::from_secs(300);

type Rules = Result<Reply<Vec<LoadedGroup>>, Gap>;

/// Fetches everything that `sources` name. `now` is this machine's clock in seconds since the epoch.
pub(crate) async fn gather(
    request: &Request,
    sources: &BTreeSet<Source>,
    now: f64,
    stop: &Stop,
) -> Facts {
    let fetching = Fetching { sources, stop };
    let not_configured = |what: &str| Gap::NotConfigured(format!("no {what} URL is configured"));
    let mut facts = Facts::missing(now, &Gap::NotConfigured("not needed".to_owned()));
    facts.environment = environment(request);

    let coordinator = async {
        let Some(client) = &request.coordinator else {
            let gap = not_configured("coordinator");
            return (Err(gap.clone()), Err(gap));
        };
        tokio::join!(
            fetching.when(Source::CoordinatorHealth, async {
                Ok(client.health(request.health_path.as_deref()).await?)
            }),
            fetching.when(Source::Leases, async { Ok(client.inspect().await?) }),
        )
    };
    let paging = fetching.when(Source::Paging, async { Ok(paging::gather(request).await) });
    let exposition = fetching.when(Source::Exposition, read_exposition(request, now));
    let telemetry = async {
        let asked = &request.telemetry;
        let spans = asked.spans.as_ref();
        tokio::join!(
            fetching.when(
                Source::Logs,
                telemetry::logs(asked.log.as_deref(), request.deadline)
            ),
            fetching.when(Source::Traces, telemetry::traces(spans, request.deadline)),
            fetching.when(Source::Receiver, telemetry::receiver(spans)),
        )
    };
    let prometheus = async {
        match &request.prometheus {
            Some(client) => from_prometheus(client, request, fetching, now).await,
            None => Facts::missing(now, &not_configured("Prometheus")),
        }
    };
    let ((health, leases), paging, exposition, (logs, traces, receiver), prometheus) = tokio::join!(
        coordinator,
        paging.boxed_local(),
        exposition,
        telemetry,
        prometheus
    );
    Facts {
        environment: facts.environment,
        coordinator_health: health,
        leases,
        paging,
        exposition,
        logs,
        traces,
        receiver,
        ..prometheus
    }
}

fn environment(request: &Request) -> BTreeMap<String, bool> {
    let set = |name: &String| {
        let value = std::env::var_os(name);
        (name.clone(), value.is_some_and(|value| !value.is_empty()))
    };
    request.required_env.iter().map(set).collect()
}

/// What to fetch, and what ends it.
#[derive(Clone, Copy)]
struct Fetching<'f> {
    sources: &'f BTreeSet<Source>,
    stop: &'f Stop,
}

impl Fetching<'_> {
    /// Fetches what is wanted; a signal ends that and leaves what has been fetched by then.
    async fn when<T>(self, source: Source, fetch: impl Future<Output = Fact<T>>) -> Fact<T> {
        self.when_any(&[source], fetch).await
    }

    /// The same for what serves several sources.
    async fn when_any<T>(
        self,
        sources: &[Source],
        fetch: impl Future<Output = Fact<T>>,
    ) -> Fact<T> {
        if !sources.iter().any(|source| self.sources.contains(source)) {
            return Err(Gap::NotConfigured("not needed".to_owned()));
        }
        tokio::select! {
            biased;
            fact = fetch => fact,
            signal = self.stop.wait() => {
                let name = signal.name();
                Err(Gap::OutOfTime(format!("{name} came before the answer")))
            }
        }
    }
}

async fn from_prometheus(
    client: &Prometheus,
    request: &Request,
    fetching: Fetching<'_>,
    now: f64,
) -> Facts {
    let metrics = &request.metrics;
    let rules = async { client.rules().await.map_err(Gap::from) }
        .boxed_local()
        .shared();
    let counted = counted(client, metrics).boxed_local().shared();
    let p99 = |window| queries::p99(window);
    let (ready, clock, presence, ages, missing_labels, metadata, jobs, targets) = tokio::join!(
        fetching.when(Source::Ready, async { Ok(client.ready().await?) }),
        fetching.when(Source::Clock, async {
            clock(client.instant("time()", None).await)
        }),
        fetching
            .when(Source::Presence, presence(client, metrics, &counted, now))
            .boxed_local(),
        fetching.when(Source::Ages, async {
            // Each name is a selector of its own, which a server takes its time for.
            let live = live(metrics, &counted.clone().await?.data);
            about_each(client, &live, queries::ages).await
        }),
        fetching.when(
            Source::MissingLabels,
            about_each(client, metrics, queries::missing_labels)
        ),
        fetching.when(Source::Metadata, async { Ok(client.metadata().await?) }),
        fetching.when(Source::Jobs, async {
            let found = about_each(client, metrics, queries::jobs).await?;
            if !found.data.is_empty() {
                return Ok(found);
            }
            // A whole hour is read only where there is nothing now.
            about_each(client, metrics, queries::jobs_of_the_hour).await
        }),
        async {
            // The rest runs beside the above; it is only written apart.
            tokio::join!(
                fetching.when(Source::Targets, async { Ok(client.targets().await?) }),
                fetching.when(Source::Rules, async {
                    let reply = rules.clone().await;
                    // First goes out what waits for this, so that it is answered meanwhile.
                    tokio::task::yield_now().await;
                    let loaded = reply.iter().flat_map(|reply| &reply.data);
                    read_expressions(loaded.flat_map(|group| &group.rules));
                    reply
                }),
                fetching.when(Source::Retention, async { Ok(client.retention().await?) }),
                fetching.when(Source::Buckets, buckets(client, &rules)),
                fetching.when(Source::Inputs, async { counted.clone().await }),
                // With the rules: who knows no Alertmanagers evaluates none.
                fetching.when_any(&[Source::Alertmanagers, Source::Rules], async {
                    Ok(client.alertmanagers().await?)
                }),
                fetching.when(Source::P99, async {
                    let profile = profile(&rules, request).await;
                    let budgets = Phase::ALL.map(|phase| request.budget(phase, profile));
                    let query = queries::latency(window(&rules).await, &budgets);
                    vector(client.instant(&query, None).await)
                }),
                fetching.when(Source::P99History, async {
                    let steps = history_steps(&counted.clone().await?.data)?;
                    let window = window(&rules).await;
                    let step = HOUR / steps;
                    Ok(client.range(&p99(window), now - HOUR, now, step).await?)
                }),
                fetching.when(Source::ErrorBudget, async {
                    let profile = profile(&rules, request).await;
                    let budget = |phase| request.budget(phase, profile);
                    let query = queries::error_ratio(budget, profile);
                    vector(client.instant(&query, None).await)
                }),
            )
        },
    );
    let (targets, rules, retention, buckets, inputs, alertmanagers, p99, p99_history, error_budget) =
        targets;
    let mut warnings = Vec::new();
    let mut facts = Facts::missing(now, &Gap::NotConfigured("not needed".to_owned()));
    facts.ready = ready;
    facts.clock = kept(clock, &mut warnings);
    facts.presence = kept(presence, &mut warnings);
    facts.ages = kept(ages, &mut warnings);
    facts.missing_labels = kept(missing_labels, &mut warnings);
    facts.metadata = kept(metadata, &mut warnings);
    facts.jobs = kept(jobs, &mut warnings);
    facts.targets = kept(targets, &mut warnings);
    facts.rules = kept(rules, &mut warnings);
    facts.retention = retention;
    facts.buckets = kept(buckets, &mut warnings);
    facts.inputs = kept(inputs, &mut warnings);
    facts.alertmanagers = kept(alertmanagers, &mut warnings);
    if facts.rules.as_ref().is_ok_and(Vec::is_empty)
        && matches!(facts.alertmanagers, Err(Gap::NotOffered(_)))
        && fetching
            .when(Source::Rules, is_victoria_metrics(client))
            .await
            .is_ok_and(|is_it| is_it)
    {
        let reason = "not offered by this server: it evaluates no rules (with VictoriaMetrics, vmalert does)";
        facts.rules = Err(Gap::NotOffered(reason.to_owned()));
    }
    facts.p99 = kept(p99, &mut warnings);
    facts.p99_history = kept(p99_history, &mut warnings).map(QueryValue::matrix);
    facts.error_budget = kept(error_budget, &mut warnings);
    warnings.sort();
    warnings.dedup();
    facts.warnings = warnings
        .into_iter()
        .map(|warning| format!("Prometheus says: {warning}"))
        .collect();
    facts
}

/// Whether it is VictoriaMetrics, which evaluates no rules: it speaks the API and has no revision of its
/// own. Mimir and Thanos, which do evaluate them, have one.
async fn is_victoria_metrics(client: &Prometheus) -> Fact<bool> {
    Ok(client.build_info().await?.data.revision.is_empty())
}

/// The data of a reply; its warnings are kept apart.
fn kept<T>(reply: Fact<Reply<T>>, warnings: &mut Vec<String>) -> Fact<T> {
    reply.map(|reply| {
        warnings.extend(reply.warnings);
        reply.data
    })
}

fn vector(answer: Result<Reply<QueryValue>, ServiceError>) -> Fact<Reply<Vec<InstantSeries>>> {
    let reply = answer?;
    Ok(Reply {
        data: reply.data.vector(),
        warnings: reply.warnings,
    })
}

fn clock(answer: Result<Reply<QueryValue>, ServiceError>) -> Fact<Reply<f64>> {
    let reply = answer?;
    let time = match reply.data {
        QueryValue::Scalar(sample) => sample.value,
        // VictoriaMetrics answers with a vector of one.
        other => other
            .vector()
            .first()
            .and_then(|series| series.value)
            .map_or(f64::NAN, |sample| sample.value),
    };
    Ok(Reply {
        data: time,
        warnings: reply.warnings,
    })
}

/// The answers to `query` about all of `metrics`, which is asked in as few queries as there can be.
async fn about_each(
    client: &Prometheus,
    metrics: &[Metric],
    query: impl Fn(&[Metric]) -> Option<String>,
) -> Fact<Reply<Vec<InstantSeries>>> {
    let queries: Vec<String> = metrics
        .chunks(METRICS_PER_QUERY)
        .filter_map(query)
        .collect();
    all(client, &queries).await
}

/// The answers to all of `queries`, as one.
async fn all(client: &Prometheus, queries: &[String]) -> Fact<Reply<Vec<InstantSeries>>> {
    let answers = queries.iter().map(|query| client.instant(query, None));
    let mut all = Reply {
        data: Vec::new(),
        warnings: Vec::new(),
    };
    for answer in futures_util::future::join_all(answers).await {
        let part = vector(answer)?;
        all.data.extend(part.data);
        all.warnings.extend(part.warnings);
    }
    Ok(all)
}

/// The series there are now, of the metrics and of what the rules may read.
async fn counted(client: &Prometheus, metrics: &[Metric]) -> Fact<Reply<Presence>> {
    let names: Vec<String> = queries::tracked(metrics).into_iter().collect();
    let queries: Vec<String> = names
        .chunks(NAMES_PER_QUERY)
        .map(queries::presence)
        .collect();
    let counted = all(client, &queries).await?;
    let mut found = Presence::default();
    for series in counted.data {
        let name = series.metric.name().to_owned();
        let drill = series.metric.get("drill").to_owned();
        let count = series.value.map_or(0.0, |sample| sample.value);
        found.now.insert((name, drill), count);
    }
    Ok(Reply {
        data: found,
        warnings: counted.warnings,
    })
}

/// The metrics that have real series, under the names that do.
fn live(metrics: &[Metric], presence: &Presence) -> Vec<Metric> {
    let mut live = metrics.to_vec();
    for metric in &mut live {
        let has_series = |name: &String| presence.real(std::slice::from_ref(name)) > 0.0;
        metric.exposed.retain(has_series);
    }
    live.retain(|metric| !metric.exposed.is_empty());
    live
}

/// The bucket bounds by which thresholds are judged: all of them only where the outer ones do not tell.
async fn buckets<F: Future<Output = Rules>>(
    client: &Prometheus,
    rules: &Shared<F>,
) -> Fact<Reply<Vec<InstantSeries>>> {
    let outer = vector(client.instant(&queries::outer_buckets(), None).await)?;
    let rules = rules.clone().await?;
    if every_top_is_known(&outer.data) && every_edge_is_there(&outer.data, &rules.data) {
        return Ok(outer);
    }
    vector(client.instant(&queries::buckets(), None).await)
}

/// Whether all series of each histogram have the schema's highest finite bucket.
fn every_top_is_known(buckets: &[InstantSeries]) -> bool {
    queries::histograms().all(|(name, bounds)| {
        let series_with = |bound: f64| -> f64 {
            buckets
                .iter()
                .filter(|bucket| bucket.metric.name() == name)
                .filter(|bucket| bucket.metric.get("le").parse() == Ok(bound))
                .filter_map(|bucket| bucket.value)
                .map(|sample| sample.value)
                .sum()
        };
        let top = bounds.last().copied().unwrap_or(f64::INFINITY);
        series_with(top) >= series_with(f64::INFINITY)
    })
}

/// Whether every bucket edge that the rules ask for by itself is among the buckets.
fn every_edge_is_there(buckets: &[InstantSeries], groups: &[LoadedGroup]) -> bool {
    groups
        .iter()
        .flat_map(|group| &group.rules)
        .filter_map(|rule| rule.query.query().ok())
        .flat_map(|query| query.selectors())
        .filter(|selector| selector.matchers_of("le").next().is_some())
        .all(|selector| {
            let mut own = buckets
                .iter()
                .filter(|bucket| selector.selects_name(bucket.metric.name()))
                .map(|bucket| bucket.metric.get("le"))
                .peekable();
            own.peek().is_none()
                || own.any(|le| selector.matchers_of("le").all(|edge| edge.is_match(le)))
        })
}

/// Into how many steps the last hour may be cut without being a burden.
fn history_steps(counted: &Presence) -> Result<f64, Gap> {
    let of_the_p99 =
        |(name, drill): &(String, String)| name.starts_with(queries::SLA) && drill.is_empty();
    let series = counted.now.iter().filter(|(series, _)| of_the_p99(series));
    let series: f64 = series.map(|(_, count)| count).sum();
    let steps = (MOST_HISTORY / series.max(1.0)).floor();
    if steps < LEAST_HISTORY_STEPS {
        let reason = "the last hour of so many series is a burden to the server";
        return Err(Gap::NotConfigured(reason.to_owned()));
    }
    Ok(steps.min(MOST_HISTORY_STEPS))
}

/// The series there are now, and when those that are missing were last seen.
async fn presence<F: Future<Output = Fact<Reply<Presence>>>>(
    client: &Prometheus,
    metrics: &[Metric],
    counted: &Shared<F>,
    now: f64,
) -> Fact<Reply<Presence>> {
    let Reply {
        data: mut found,
        mut warnings,
    } = counted.clone().await?;
    let missing: Vec<String> = metrics
        .iter()
        .filter(|metric| found.real(&metric.tracked) == 0.0)
        .flat_map(|metric| metric.tracked.clone())
        .collect();
    if !missing.is_empty() {
        let query = queries::presence_of(&missing);
        let reply = client.range(&query, now - DAY, now, LOOK_BACK_STEP).await?;
        warnings.extend(reply.warnings);
        for series in reply.data.matrix() {
            if let Some(last) = series.values.last() {
                found
                    .last_seen
                    .insert(series.metric.name().to_owned(), last.time);
            }
        }
        warnings.extend(to_the_second(client, &mut found.last_seen, now).await?);
    }
    Ok(Reply {
        data: found,
        warnings,
    })
}

/// The profile that the run's budgets are of.
async fn profile<F: Future<Output = Rules>>(rules: &Shared<F>, request: &Request) -> Profile {
    let reply = rules.clone().await;
    request.profile(reply.as_ref().map_or(&[][..], |reply| &reply.data))
}

/// Replaces each time at which a series could last be seen by that of the sample that was seen: a server
/// shows a sample for five minutes, and the look back goes in steps.
async fn to_the_second(
    client: &Prometheus,
    last_seen: &mut BTreeMap<String, f64>,
    now: f64,
) -> Fact<Vec<String>> {
    let mut warnings = Vec::new();
    let seen: Vec<(String, f64)> = last_seen
        .iter()
        .map(|(name, time)| (name.clone(), *time))
        .collect();
    // Names that ended together, as those of a process do, are asked for together.
    for names in seen.chunk_by(|(_, one), (_, other)| (one - other).abs() < 1.0) {
        let Some((_, time)) = names.first() else {
            continue;
        };
        let until = now.min(time + LOOK_BACK_STEP);
        let query = queries::newest(names.iter().map(|(name, _)| name.as_str()));
        let reply = client.range(&query, *time, until, FINE_STEP).await?;
        warnings.extend(reply.warnings);
        for series in reply.data.matrix() {
            let newest = series.values.iter().map(|sample| sample.value);
            if let Some(newest) = newest.reduce(f64::max) {
                last_seen.insert(series.metric.get("name").to_owned(), newest);
            }
        }
    }
    Ok(warnings)
}

/// The range over which the loaded rules look at the p99, so that the check sees what the alert sees.
async fn window<F: Future<Output = Rules>>(rules: &Shared<F>) -> Duration {
    let Ok(reply) = rules.clone().await else {
        return DEFAULT_WINDOW;
    };
    let loaded = reply.data.iter().flat_map(|group| &group.rules);
    loaded
        .filter(|rule| rule.name == "seamless:sla_observations:rate5m")
        .filter_map(|rule| rule.query.query().ok())
        .flat_map(|query| query.selectors())
        .find_map(|selector| selector.range)
        .unwrap_or(DEFAULT_WINDOW)
}

/// Reads the expressions of the loaded rules and of those that ship. The checks compare them, and here the
/// answers are still on their way.
fn read_expressions<'r>(loaded: impl Iterator<Item = &'r LoadedRule>) {
    let shipped = seamless_core::rules::shipped();
    let shipped = shipped.iter().flat_map(|file| file.rules());
    let shipped = shipped.map(|rule| &rule.expr);
    for expression in loaded.map(|rule| &rule.query).chain(shipped) {
        // Whoever needs one that cannot be read says so.
        let _ = expression.query();
    }
}

/// Whose verdict counts: what was given, or what the Prometheus says of itself, or today's.
async fn scraper(request: &Request) -> Scraper {
    if let Some(given) = request.scraper {
        return given;
    }
    let Some(client) = &request.prometheus else {
        return Scraper::default();
    };
    // Servers that only speak the same API have no revision; they scrape as they like.
    let told = client.build_info().await.ok().map(|reply| reply.data);
    told.filter(|told| !told.revision.is_empty())
        .and_then(|told| Scraper::of_version(&told.version))
        .unwrap_or_default()
}

async fn read_exposition(request: &Request, now: f64) -> Fact<Exposed> {
    match &request.exposition {
        None => Err(Gap::NotConfigured(
            "no exposition is given (--metrics-url or --metrics-file)".to_owned(),
        )),
        Some(Metrics::Input(input)) => {
            let (bytes, scraper) = tokio::join!(input.read(request.deadline), scraper(request));
            Ok(Exposed {
                survey: Survey::of(&bytes?, None, now),
                content_type: None,
                scraper,
            })
        }
        Some(Metrics::Url(source)) => {
            let (client, endpoint) = source.as_ref();
            let scraper = scraper(request).await;
            let mut call = http::Request::get(endpoint, endpoint.whole_url(), QUERY_BODY_LIMIT);
            call.accept = scraper.accept();
            let failed = |message: String, hint: &str| Gap::Failed {
                message: format!("reading the exposition at {endpoint}: {message}"),
                hint: hint.to_owned(),
            };
            let answer = client.send(&call).await.map_err(|error| {
                let remedy = error.error.remedy();
                let hint = seamless_cli::remedy_words(remedy, endpoint.service());
                failed(error.to_string(), &hint)
            })?;
            // A scrape takes nothing else for an answer.
            if answer.status != 200 {
                let (what, hint) = match answer.location {
                    Some(_) => (
                        answer.described(),
                        "give --metrics-url that URL: Prometheus follows redirects, this check does not",
                    ),
                    None => (
                        format!("{} is no exposition", answer.described()),
                        "check that the URL leads to the runtime's /metrics",
                    ),
                };
                return Err(failed(what, hint));
            }
            let content_type = ContentType::new(answer.content_type_header.as_deref());
            if content_type.is_protobuf() {
                return Err(Gap::NotOffered(
                    "it came as protobuf, which was not asked for and is not read here".to_owned(),
                ));
            }
            Ok(Exposed {
                survey: Survey::of(&answer.body, Some(content_type.format()), now),
                content_type: Some(content_type),
                scraper,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(labels: &[(&str, &str)], value: f64) -> InstantSeries {
        let metric: BTreeMap<&str, &str> = labels.iter().copied().collect();
        let series = serde_json::json!({ "metric": metric, "value": [0, value.to_string()] });
        serde_json::from_value(series).unwrap()
    }

    fn bucket(le: &str, count: f64) -> InstantSeries {
        let name = format!("{}_bucket", queries::SLA);
        series(&[("__name__", &name), ("le", le)], count)
    }

    #[test]
    fn the_outer_buckets_tell_where_every_series_has_the_top_one() {
        assert!(every_top_is_known(&[]));
        assert!(every_top_is_known(&[
            bucket("600", 2.0),
            bucket("600.0", 3.0),
            bucket("+Inf", 5.0)
        ]));
        assert!(!every_top_is_known(&[
            bucket("600", 4.0),
            bucket("+Inf", 5.0)
        ]));
        assert!(!every_top_is_known(&[
            bucket("7.5", 5.0),
            bucket("+Inf", 5.0)
        ]));
    }

    #[test]
    fn an_edge_that_a_rule_asks_for_must_be_among_them() {
        let rules = |edge: &str| -> Vec<LoadedGroup> {
            let query = format!("rate({}_bucket{{le=~{edge:?}}}[5m])", queries::SLA);
            let rule = serde_json::json!({ "type": "recording", "name": "r", "query": query });
            serde_json::from_value(serde_json::json!([{ "name": "g", "rules": [rule] }])).unwrap()
        };
        let outer = [bucket("60.0", 5.0), bucket("600.0", 5.0)];
        assert!(every_edge_is_there(&outer, &rules("60([.]0)?")));
        assert!(!every_edge_is_there(&outer, &rules("120([.]0)?")));
        assert!(every_edge_is_there(&[], &rules("120([.]0)?")));
    }

    #[test]
    fn the_more_series_the_shorter_the_history() {
        let name = format!("{}_count", queries::SLA);
        let steps = |count| {
            let mut counted = Presence::default();
            counted.now.insert((name.clone(), String::new()), count);
            counted
                .now
                .insert((name.clone(), "drill-1".to_owned()), 1e9);
            history_steps(&counted)
        };
        assert_eq!(steps(4.0), Ok(30.0));
        assert_eq!(steps(600.0), Ok(10.0));
        assert!(steps(16_600.0).is_err());
    }
}
