//! The deployment as one round of a run sees it.
//!
//! Owns that a fact which several checks need is fetched once, by the first that awaits it; that a signal ends
//! every wait; and what the servers said beside their answers. It judges nothing. The checks run side by side,
//! so that whatever none of them has to wait for goes out at once: in one round of requests.

mod exposition;
mod metrics;
mod paging;
mod rules;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use seamless_cli::Stop;
use seamless_core::coordinator::CoordinatorClient;
use seamless_core::prometheus::{
    Alertmanagers, InstantSeries, LoadedGroup, MetricMetadata, PrometheusClient, QueryValue,
    RangeSeries, Target, WithWarnings,
};
use tokio::sync::OnceCell;

pub(crate) use exposition::Exposed;
pub(crate) use rules::VMALERT_RENDER;

use crate::gap::{Fact, Gap};
use crate::paging::{Facts, Paging};
use crate::presence::{Jobs, Presence};
use crate::request::Request;
use crate::telemetry::{self, Logs, Traces};

type Memo<T> = OnceCell<Fact<T>>;

/// What is asked of, and known about, a deployment in one round.
pub(crate) struct Site<'r> {
    pub(crate) request: &'r Request,
    /// The clock of this machine, in seconds since the epoch.
    pub(crate) now: f64,
    stop: &'r Stop,
    warnings: RefCell<BTreeSet<String>>,
    clock: Memo<f64>,
    series: Memo<Presence>,
    presence: Memo<Presence>,
    metadata: Memo<BTreeMap<String, Vec<MetricMetadata>>>,
    labels: Memo<Vec<InstantSeries>>,
    jobs: Memo<Jobs>,
    targets: Memo<Vec<Target>>,
    loaded: Memo<Vec<LoadedGroup>>,
    /// Whether the loaded rules are evaluated at all.
    rules: Memo<()>,
    alertmanagers: Memo<Alertmanagers>,
    paging: Memo<Paging>,
    exposition: Memo<Exposed>,
    logs: Memo<Logs>,
    traces: Memo<Traces>,
}

impl<'r> Site<'r> {
    /// Nothing is known yet. `now` is this machine's clock in seconds since the epoch.
    pub(crate) fn new(request: &'r Request, now: f64, stop: &'r Stop) -> Self {
        Self {
            request,
            now,
            stop,
            warnings: RefCell::default(),
            clock: Memo::new(),
            series: Memo::new(),
            presence: Memo::new(),
            metadata: Memo::new(),
            labels: Memo::new(),
            jobs: Memo::new(),
            targets: Memo::new(),
            loaded: Memo::new(),
            rules: Memo::new(),
            alertmanagers: Memo::new(),
            paging: Memo::new(),
            exposition: Memo::new(),
            logs: Memo::new(),
            traces: Memo::new(),
        }
    }

    /// The client of the Prometheus.
    pub(crate) fn prometheus(&self) -> Fact<&'r PrometheusClient> {
        let client = self.request.prometheus.as_ref();
        client.ok_or_else(|| Gap::not_configured("no Prometheus URL is configured"))
    }

    /// The client of the coordinator.
    pub(crate) fn coordinator(&self) -> Fact<&'r CoordinatorClient> {
        let client = self.request.coordinator.as_ref();
        client.ok_or_else(|| Gap::not_configured("no coordinator URL is configured"))
    }

    /// The answer to something that one check alone asks; a signal ends the wait for it.
    pub(crate) async fn answer<T, E>(&self, asked: impl Future<Output = Result<T, E>>) -> Fact<T>
    where
        Gap: From<E>,
    {
        tokio::select! {
            biased;
            answer = asked => Ok(answer?),
            signal = self.stop.wait() => {
                let name = signal.name();
                Err(Gap::OutOfTime(format!("{name} came before the answer")))
            }
        }
    }

    /// The series that a query gives now.
    pub(crate) async fn instant(&self, query: &str) -> Fact<Vec<InstantSeries>> {
        let client = self.prometheus()?;
        let reply = self.answer(client.instant(query, None)).await?;
        Ok(self.data(reply).vector())
    }

    /// The series that all of the queries give now, as one.
    pub(crate) async fn instants(&self, queries: &[String]) -> Fact<Vec<InstantSeries>> {
        let answers = queries.iter().map(|query| self.instant(query));
        let mut all = Vec::new();
        for answer in futures_util::future::join_all(answers).await {
            all.extend(answer?);
        }
        Ok(all)
    }

    /// The series that a query gives from `start` to `end`, in seconds since the epoch, every `step` seconds.
    pub(crate) async fn range(
        &self,
        query: &str,
        start: f64,
        end: f64,
        step: f64,
    ) -> Fact<Vec<RangeSeries>> {
        let client = self.prometheus()?;
        let reply = self.answer(client.range(query, start, end, step)).await?;
        Ok(self.data(reply).matrix())
    }

    /// The Prometheus's clock, in seconds since the epoch.
    pub(crate) async fn clock(&self) -> Fact<f64> {
        let ask = async {
            let reply = self.prometheus()?.instant("time()", None).await?;
            let time = match self.data(reply) {
                QueryValue::Scalar(sample) => Some(sample.value),
                // VictoriaMetrics answers with a vector of one.
                other => other
                    .vector()
                    .first()
                    .and_then(|series| series.value)
                    .map(|sample| sample.value),
            };
            time.filter(|time| time.is_finite())
                .ok_or_else(|| Gap::Failed {
                    message: "the answer to the query time() holds no time".to_owned(),
                    hint: "something between answers in Prometheus's place: compare the URL"
                        .to_owned(),
                })
        };
        self.once(&self.clock, ask).await.copied()
    }

    /// The scrape targets.
    pub(crate) async fn targets(&self) -> Fact<&[Target]> {
        let ask = async { Ok(self.data(self.prometheus()?.targets().await?)) };
        self.once(&self.targets, ask).await.map(Vec::as_slice)
    }

    /// The types that targets state of their metrics, by name.
    pub(crate) async fn metadata(&self) -> Fact<&BTreeMap<String, Vec<MetricMetadata>>> {
        let ask = async { Ok(self.data(self.prometheus()?.metadata().await?)) };
        self.once(&self.metadata, ask).await
    }

    /// The Alertmanagers that Prometheus sends to.
    pub(crate) async fn alertmanagers(&self) -> Fact<&Alertmanagers> {
        let ask = async { Ok(self.data(self.prometheus()?.alertmanagers().await?)) };
        self.once(&self.alertmanagers, ask).await
    }

    /// What is known of the path from a rule to a person.
    pub(crate) async fn paging(&self) -> Fact<&Paging> {
        let fetch = async { Ok(paging::fetch(self.request).await) };
        self.once(&self.paging, fetch).await
    }

    /// The exposition that was given.
    pub(crate) async fn exposition(&self) -> Fact<&Exposed> {
        let read = exposition::read(self.request, self.now);
        self.once(&self.exposition, read).await
    }

    /// What the platform's log holds.
    pub(crate) async fn logs(&self) -> Fact<&Logs> {
        let asked = &self.request.telemetry;
        let read = telemetry::logs(asked.log.as_deref(), self.request.deadline);
        self.once(&self.logs, read).await
    }

    /// What the platform's traces hold.
    pub(crate) async fn traces(&self) -> Fact<&Traces> {
        let asked = &self.request.telemetry;
        let read = telemetry::traces(asked.spans.as_ref(), self.request.deadline);
        self.once(&self.traces, read).await
    }

    /// What is known of the path of an alert, with the rules it starts from.
    pub(crate) async fn path(&self) -> Fact<Facts<'_>> {
        let (paging, rules) = tokio::join!(self.paging(), self.rules());
        Ok(Facts {
            now: self.now,
            expected: &self.request.rules,
            rules,
            wanted: &self.request.receivers,
            paging: paging?,
        })
    }

    /// The same, if a check has asked for it; nothing is fetched.
    pub(crate) fn path_so_far(&self) -> Option<Facts<'_>> {
        let paging = self.paging.get()?.as_ref().ok()?;
        let rules = match (self.rules.get(), self.loaded.get()) {
            (Some(Ok(())), Some(loaded)) => loaded.as_deref().map_err(Clone::clone),
            (Some(Err(gap)), _) => Err(gap.clone()),
            _ => Err(Gap::not_configured("not needed")),
        };
        Some(Facts {
            now: self.now,
            expected: &self.request.rules,
            rules,
            wanted: &self.request.receivers,
            paging,
        })
    }

    /// What the servers said beside their answers.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let warnings = self.warnings.borrow();
        let said = warnings.iter();
        said.map(|warning| format!("Prometheus says: {warning}"))
            .collect()
    }

    /// Fetches what is not known yet, unless somebody does already.
    async fn once<'s, T>(
        &'s self,
        cell: &'s Memo<T>,
        fetch: impl Future<Output = Fact<T>>,
    ) -> Fact<&'s T> {
        let known = cell.get_or_init(|| Box::pin(self.answer(fetch)));
        known.await.as_ref().map_err(Clone::clone)
    }

    /// The data of a reply; its warnings are kept.
    fn data<T>(&self, reply: WithWarnings<T>) -> T {
        self.warnings.borrow_mut().extend(reply.warnings);
        reply.data
    }
}
