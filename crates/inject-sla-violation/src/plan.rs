//! What a run would do: the answer to `--dry-run`.

use seamless_cli::table;
use seamless_core::duration;
use serde::Serialize;

use crate::args::OutputFormat;
use crate::cast::Cast;
use crate::report::{self, FamilyReport};
use crate::request::{Course, Delivery, OneShot, Request};

/// A plan.
#[derive(Debug, Serialize)]
pub(crate) struct Plan {
    schema_version: u32,
    program: &'static str,
    dry_run: bool,
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
}

#[derive(Debug, Serialize)]
struct PlannedSink {
    sink: &'static str,
    target: String,
}

impl Plan {
    pub(crate) fn new(request: &Request, cast: &Cast) -> Self {
        let course = match &request.delivery {
            Delivery::Once(_) => None,
            Delivery::Lasting(course) => Some(course),
        };
        Self {
            schema_version: 1,
            program: "inject-sla-violation",
            dry_run: true,
            drill_id: request.drill_id.clone(),
            node_id: request.node_id.clone(),
            scenarios: request.scenarios.iter().map(|s| s.name()).collect(),
            series: cast.series(),
            families: report::families(cast),
            sinks: sinks(&request.delivery),
            hold_seconds: course.map(|course| course.hold.as_secs_f64()),
            step_seconds: course.map(|course| course.step.as_secs_f64()),
            recover_after_seconds: course
                .and_then(|course| course.recover_after)
                .map(|after| after.as_secs_f64()),
        }
    }

    pub(crate) fn rendered(&self, format: OutputFormat) -> String {
        match format {
            OutputFormat::Json => report::json(self),
            OutputFormat::Text => self.text(),
        }
    }

    fn text(&self) -> String {
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
        text.push_str(&table(&["family", "type", "series"], rows, None));
        text.push_str("\n\n");
        for sink in &self.sinks {
            text.push_str(&format!("sink: {} {}\n", sink.sink, sink.target));
        }
        let time = |seconds: f64| duration::format(std::time::Duration::from_secs_f64(seconds));
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
        text
    }
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
