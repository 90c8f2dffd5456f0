//! Options that nothing would come of: a misunderstanding, and better told than passed over.

use seamless_cli::UsageError;
use seamless_core::schema::{self, Buckets};

use crate::args::{Args, Histograms};
use crate::scenario::{Amount, Observed, Scenario, Waveform, generators};

/// The first option that would be ignored is refused.
pub(crate) fn refuse_ignored(args: &Args) -> Result<(), UsageError> {
    let text = by_the_course(args)
        .map(str::to_owned)
        .or_else(|| by_the_clean_up(args))
        .or_else(|| by_the_scenario(args));
    text.map_or(Ok(()), |text| Err(UsageError(text)))
}

/// Each of the conditions that hold has its text; the first counts.
fn first<T>(candidates: impl IntoIterator<Item = (bool, T)>) -> Option<T> {
    let mut candidates = candidates.into_iter();
    candidates
        .find(|(is_ignored, _)| *is_ignored)
        .map(|(_, text)| text)
}

/// What the way of delivery leaves without effect.
fn by_the_course(args: &Args) -> Option<&'static str> {
    let lasts = args.serve.is_some()
        || args.push_gateway.is_some()
        || args.remote_write.is_some()
        || args.hold.is_some();
    let watches = !args.expect_alert.is_empty();
    let phases = [Scenario::Sla, Scenario::All, Scenario::Healthy];
    let prometheus = args.prometheus.prometheus_url.is_some();
    let alertmanager = !args.alertmanager_url.is_empty();
    // Whoever could be asked or sent something.
    let contacts = lasts || args.cleanup.is_some() || args.dry_run && (prometheus || alertmanager);
    let http = &args.http;
    let credentials = !http.header.is_empty()
        || !http.bearer_token_file.is_empty()
        || http.ca_cert.is_some()
        || http.client_cert.is_some();
    first([
        (
            args.within.is_some() && !watches,
            "--within says how long to wait for --expect-alert: name an alert",
        ),
        (
            args.histograms == Histograms::Native
                && (args.serve.is_none() && args.cleanup.is_none()
                    || args.write_to.is_some()
                    || args.push_gateway.is_some()
                    || args.remote_write.is_some()),
            "--histograms native is for --serve alone: a file is text, which has no native histograms, and \
             --push-gateway and --remote-write send buckets; a Prometheus that scrapes --serve can send them on by \
             remote write (send_native_histograms: true)",
        ),
        (
            args.expect_receiver.is_some() && args.silence,
            "--silence keeps receivers from being told, so --expect-receiver would wait in vain: leave out one of them",
        ),
        (
            args.step.is_some() && !lasts,
            "--step needs a drill that lasts: give --hold with --write-to, or another sink",
        ),
        (
            args.keep && args.hold.is_none(),
            "--keep is for a file that --hold rewrites; a single document stays anyway",
        ),
        (
            args.rules.is_some() && !lasts && !args.dry_run,
            "--rules is for predicting alerts: give --dry-run, or a sink that lasts",
        ),
        (
            args.rules.is_some() && args.dry_run && prometheus,
            "--rules replaces the rules of Prometheus, and a plan asks it for nothing else: leave out one of --rules \
             and --prometheus-url",
        ),
        (
            args.profile.is_some() && !lasts && !args.dry_run,
            "--profile is for predicting alerts: give --dry-run, or a sink that lasts",
        ),
        (
            args.profile.is_some() && prometheus,
            "--profile chooses among the shipped rules, and a Prometheus says which it has loaded: leave out one of \
             --profile and --prometheus-url",
        ),
        (
            args.silence && !lasts,
            "--silence mutes the alerts of a drill that lasts: give --hold, or another sink",
        ),
        (
            !args.phase.is_empty() && !args.scenario.iter().any(|s| phases.contains(s)),
            "--phase chooses among what the scenario sla observes: add --scenario sla",
        ),
        (
            args.file_sd.is_some() && args.serve.is_none() && args.cleanup.is_none(),
            "--file-sd announces --serve: give --serve",
        ),
        (
            prometheus && !contacts,
            "--prometheus-url needs a drill that lasts or --dry-run: a single document contacts no server",
        ),
        (
            http.context.is_some() && !contacts && !args.dry_run,
            "--context needs a drill that lasts or --dry-run: a single document contacts no server",
        ),
        (
            alertmanager && !lasts && args.cleanup.is_none(),
            "--alertmanager-url needs a drill that lasts: a single document contacts no server",
        ),
        (
            args.world_id.is_empty() && args.worlds > 1,
            "--worlds numbers copies of a world, and an empty --world-id names none: give --world-id",
        ),
        (
            credentials && !contacts,
            "--header, --bearer-token-file, --ca-cert and --client-cert are for an endpoint, and this run contacts none: \
             name one, or leave them out",
        ),
    ])
}

/// What describes series is of use to the clean-up only where it has to write their end.
fn by_the_clean_up(args: &Args) -> Option<String> {
    if args.cleanup.is_none() || args.remote_write.is_some() {
        return None;
    }
    let option = first([
        (args.node_id.is_some(), "NODE_ID"),
        (args.scenario != [Scenario::Sla], "--scenario"),
        (!args.phase.is_empty(), "--phase"),
        (args.interval != Args::INTERVAL, "--interval"),
        (args.world_id != Args::WORLD_ID, "--world-id"),
        (args.nodes != 1, "--nodes"),
        (args.worlds != 1, "--worlds"),
        (!args.label.is_empty(), "--label"),
        (args.buckets != Buckets::Schema, "--buckets"),
        (args.histograms != Histograms::Classic, "--histograms"),
    ])?;
    Some(format!(
        "{option} describes the drill's series, which --cleanup needs for --remote-write only; everything else goes by \
         the drill's id: leave it out"
    ))
}

/// What the chosen scenarios have no use for.
fn by_the_scenario(args: &Args) -> Option<String> {
    let chosen = generators(&args.scenario);
    let any = |uses: fn(&Waveform, bool) -> bool| {
        chosen
            .iter()
            .any(|(generator, violates)| uses(&generator.waveform, *violates))
    };
    let labelled = |label: &str| {
        chosen.iter().any(|(generator, _)| {
            schema::family(generator.family).is_some_and(|family| family.labels.contains(&label))
        })
    };
    let observes = any(|waveform, _| matches!(waveform, Waveform::Observe { .. }));
    let repeats = any(|waveform, _| {
        let counts = matches!(
            waveform,
            Waveform::Count {
                violating: Amount::PerRepetition(_),
                ..
            }
        );
        counts || matches!(waveform, Waveform::Observe { .. })
    });
    let reports_duration = any(|waveform, violates| {
        let by_duration = matches!(
            waveform,
            Waveform::Observe {
                violating: Observed::Duration,
                ..
            }
        );
        violates && by_duration
    });
    let option = first([
        (args.duration.is_some() && !reports_duration, "--duration"),
        (args.repetitions.is_some() && !repeats, "--repetitions"),
        (args.buckets != Buckets::Schema && !observes, "--buckets"),
        (
            args.histograms != Histograms::Classic && !observes,
            "--histograms",
        ),
        (
            args.interval != Args::INTERVAL && !labelled("interval"),
            "--interval",
        ),
        (
            args.world_id != Args::WORLD_ID && !labelled("world_id"),
            "--world-id",
        ),
        (args.worlds != 1 && !labelled("world_id"), "--worlds"),
        (
            args.recover_after.is_some() && !any(|_, violates| violates),
            "--recover-after",
        ),
    ])?;
    let names: Vec<&str> = args.scenario.iter().map(|s| s.name()).collect();
    Some(format!(
        "{option} changes nothing in the scenario {}: leave it out, or add --scenario sla",
        names.join(" and ")
    ))
}
