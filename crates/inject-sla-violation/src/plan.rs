//! What a run would do, and which alerts it should fire: the answer to `--dry-run`.

use std::time::Duration;

use seamless_cli::{ExitStatus, clean, table};
use seamless_core::duration;
use serde::Serialize;

use crate::args::OutputFormat;
use crate::drill::PagingDrill;
use crate::json;
use crate::prediction::Prediction;
use crate::report::{self, FamilyReport};
use crate::request::{Course, Delivery, OneShot, Request};
use crate::series::SeriesSet;

/// A plan.
#[derive(Debug, Serialize)]
pub(crate) struct Plan {
    schema_version: u32,
    program: &'static str,
    dry_run: bool,
    exit_code: u8,
    drill_id: String,
    node_id: String,
    scenarios: Vec<&'static str>,
    series: u64,
    families: Vec<FamilyReport>,
    sinks: Vec<PlannedSink>,
    /// Seconds, where the drill lasts.
    hold_seconds: Option<f64>,
    step_seconds: Option<f64>,
    recover_after_seconds: Option<f64>,
    /// Where the rules come from.
    rules: String,
    alerts: Vec<Prediction>,
    /// Whom the drill would page; none where no critical alert should fire.
    pages: Option<PagingDrill>,
    /// Why the rules could not be had; nothing is known of the alerts then.
    error: Option<String>,
    #[serde(skip)]
    status: ExitStatus,
}

#[derive(Debug, Serialize)]
struct PlannedSink {
    sink: &'static str,
    target: String,
}

impl Plan {
    pub(crate) fn new(
        request: &Request,
        series_set: &SeriesSet,
        rules: String,
        alerts: Result<Vec<Prediction>, String>,
        pages: Option<PagingDrill>,
    ) -> Self {
        let (alerts, error) = match alerts {
            Ok(alerts) => (alerts, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let status = if error.is_some() {
            ExitStatus::Undetermined
        } else if alerts.iter().all(Prediction::keeps_its_promise) {
            ExitStatus::Done
        } else {
            ExitStatus::Negative
        };
        let course = match &request.delivery {
            Delivery::Once(_) => None,
            Delivery::Lasting(course) => Some(course),
        };
        Self {
            schema_version: report::SCHEMA_VERSION,
            program: report::PROGRAM,
            dry_run: true,
            exit_code: status.code(),
            drill_id: request.drill_id.clone(),
            node_id: request.node_id.clone(),
            scenarios: request.scenarios.iter().map(|s| s.name()).collect(),
            series: series_set.series(),
            families: report::families(series_set),
            sinks: sinks(&request.delivery),
            hold_seconds: course.map(|course| course.hold.as_secs_f64()),
            step_seconds: course.map(|course| course.step.as_secs_f64()),
            recover_after_seconds: course
                .and_then(|course| course.recover_after)
                .map(|after| after.as_secs_f64()),
            rules,
            alerts,
            pages,
            error,
            status,
        }
    }

    /// What the plan comes to.
    pub(crate) const fn status(&self) -> ExitStatus {
        self.status
    }

    pub(crate) fn rendered(&self, format: OutputFormat, width: Option<usize>) -> String {
        match format {
            OutputFormat::Json => json::document(self),
            OutputFormat::Text => self.text(width),
        }
    }

    fn text(&self, width: Option<usize>) -> String {
        let mut text = format!(
            "plan for drill {}: {} series; nothing has been written or contacted\n\n",
            self.drill_id, self.series
        );
        let rows = self.families.iter().map(|family| {
            [
                family.exposed_as.clone(),
                family.r#type.to_owned(),
                family.series.to_string(),
            ]
        });
        text.push_str(&table(&["family", "type", "series"], rows, width));
        text.push_str("\n\n");
        for sink in &self.sinks {
            text.push_str(&format!("sink: {} {}\n", sink.sink, sink.target));
        }
        if let (Some(hold), Some(step)) = (self.hold_seconds, self.step_seconds) {
            text.push_str(&format!(
                "course: {}, a step every {}",
                time(hold),
                time(step)
            ));
            if let Some(after) = self.recover_after_seconds {
                text.push_str(&format!(", healthy after {}", time(after)));
            }
            text.push('\n');
        }
        text.push_str(&format!("\nalerts, by {}:\n", clean(&self.rules)));
        for alert in &self.alerts {
            text.push_str(&format!("  {}\n", alert.line()));
        }
        if let Some(error) = &self.error {
            text.push_str(&format!("  unknown: {}\n", clean(error)));
        }
        if let Some(pages) = &self.pages {
            text.push_str(&format!("\n{}\n", pages.lines()));
        }
        text
    }
}

fn time(seconds: f64) -> String {
    duration::format(Duration::from_secs_f64(seconds))
}

fn sinks(delivery: &Delivery) -> Vec<PlannedSink> {
    let sink = |sink, target| PlannedSink { sink, target };
    match delivery {
        Delivery::Once(OneShot::Stdout) => vec![sink("write-to", "-".to_owned())],
        Delivery::Once(OneShot::File(path)) => {
            vec![sink("write-to", path.display().to_string())]
        }
        Delivery::Lasting(course) => {
            let Course {
                file,
                serve,
                push_gateway,
                remote_write,
                ..
            } = &**course;
            let mut sinks = Vec::new();
            if let Some(path) = file {
                sinks.push(sink("write-to", path.display().to_string()));
            }
            if let Some(serve) = serve {
                sinks.push(sink("serve", format!("{}:{}", serve.host, serve.port)));
            }
            if let Some(endpoint) = push_gateway {
                sinks.push(sink("push-gateway", endpoint.url(&[]).to_string()));
            }
            if let Some(endpoint) = remote_write {
                sinks.push(sink("remote-write", endpoint.url(&[]).to_string()));
            }
            sinks
        }
    }
}
