// Whether monitoring itself works: the runtime's metrics are there, its targets are up, notifications leave, the
// health check runs, and alerts reach a receiver.
local durations = import '../lib/duration.libsonnet';
local promql_for = import '../lib/promql.libsonnet';
local schema = import '../lib/schema.libsonnet';
local alert_for = import 'alert.libsonnet';

// The one family that has a series from a process's start.
local jobs = 'backfill_jobs_in_progress';
local seen = 'seamless:runtime_target:seen';
local known = 'seamless:runtime_target:seen_1d';
local check_run = 'seamless_health_check_last_run_timestamp_seconds';
local check_seen = 'seamless:health_check:seen';
local check_known = 'seamless:health_check:last_run_1d';

function(config) {
  local promql = promql_for(config),
  local alerts = alert_for(config),
  local window(text) = durations.window(config, text),
  local target = promql.by(['job', 'instance']),
  local kept = promql.by([]),
  local lookback = window(config.lookback),
  local interval = durations.interval(config, config.evaluation_interval),
  local period = durations.seconds(window(config.health_check_period)),
  local the_target = '{{ $labels.instance }} of job {{ $labels.job }}',

  local absent(severity, expr, description) = alerts.alert({
    name: 'SeamlessMetricsAbsent',
    severity: severity,
    pending: durations.pending(config, config.absent_after),
    expr: expr,
    summary: 'Metric %s has vanished' % jobs,
    description: description,
    dashboard: 'sla',
    variables: [],
  }),
  local down(severity, expr, summary, description) = alerts.alert({
    name: 'SeamlessTargetDown',
    severity: severity,
    pending: durations.pending(config, config.absent_after),
    expr: expr,
    summary: summary,
    description: description,
    dashboard: 'sla',
    variables: [],
  }),
  local known_target = '(up and on (%s) %s)' % [target, known],

  local failed(name) = 'increase(%s[%s])' % [name, window(config.notifications_window)],
  local notifications = alerts.alert({
    name: 'SeamlessNotificationsFailing',
    severity: 'critical',
    expr: |||
      label_replace(
        sum by (%(kept)s) (%(errors)s) + sum by (%(kept)s) (%(dropped)s) > 0,
        "integration", "prometheus", "", ""
      )
      or
      sum by (%(integration)s) (%(failed)s) > 0
    ||| % {
      kept: kept,
      integration: promql.by(['integration']),
      errors: failed('prometheus_notifications_errors_total'),
      dropped: failed('prometheus_notifications_dropped_total'),
      failed: failed('alertmanager_notifications_failed_total'),
    },
    summary: 'Notifications by {{ $labels.integration }} fail',
    description: |||
      {{ printf "%%.0f" $value }} notifications by {{ $labels.integration }} failed within %s: alerts do not arrive that way.
    ||| % config.notifications_window,
    dashboard: 'sla',
    variables: [],
  }),

  local scheduled = 'kube_cronjob_status_last_schedule_time{cronjob="%s"}' % config.health_check_cronjob,
  local succeeded = 'kube_cronjob_status_last_successful_time{cronjob="%s"}' % config.health_check_cronjob,
  local check_failing(source, expr, pending, description) = alerts.alert({
    name: 'SeamlessHealthCheckFailing',
    severity: 'warning',
    labels: { source: source },
    [if pending != null then 'pending']: durations.pending(config, pending),
    expr: expr,
    summary: 'The health check fails',
    description: description,
    dashboard: 'sla',
    variables: [],
  }),

  groups: [
    {
      name: 'seamless-seen',
      interval: durations.interval(config, config.day_evaluation_interval),
      rules: [
        // A drill's targets come and go.
        { record: seen, expr: 'count by (%s) (%s{drill=""})' % [target, jobs] },
        { record: known, expr: 'max by (%s) (present_over_time(%s[%s]))' % [target, seen, lookback] },
        { record: check_seen, expr: 'max by (%s) (%s or %s)' % [target, check_run, scheduled] },
        { record: check_known, expr: 'max by (%s) (max_over_time(%s[%s]))' % [target, check_seen, lookback] },
      ],
    },
    {
      name: 'seamless-meta',
      interval: interval,
      rules: [
        absent(
          'warning',
          |||
            %(known)s
            unless on (%(target)s) %(jobs)s
            and on (%(target)s) up == 1
          ||| % { known: known, target: target, jobs: jobs },
          '%s had %s within the last %s, is up, and has had no such series for %s.' % [the_target, jobs, config.lookback, config.absent_after],
        ),
        absent(
          'critical',
          |||
            count by (%(kept)s) (%(known)s)
            unless on (%(kept)s) %(jobs)s
          ||| % { known: known, kept: kept, jobs: jobs },
          '{{ $value }} targets had %s within the last %s, and none has it any more: no alert sees the platform.' % [jobs, config.lookback],
        ),
        down(
          'warning',
          '%s == 0' % known_target,
          'Target {{ $labels.instance }} is down',
          '%s, which exposed Seamless metrics within the last %s, has been down (up is {{ $value }}) for %s.' % [the_target, config.lookback, config.absent_after],
        ),
        down(
          'critical',
          |||
            count by (%(kept)s) (%(up)s)
            unless on (%(kept)s) (%(up)s == 1)
          ||| % { kept: kept, up: known_target },
          'Every Seamless target is down',
          'All {{ $value }} targets that exposed Seamless metrics within the last %s have been down for %s.' % [config.lookback, config.absent_after],
        ),
        notifications,
        check_failing(
          'textfile',
          'max by (%s) (seamless_health_check_healthy) == 0' % target,
          config.health_check_failing_for,
          'The health check on {{ $labels.instance }} has found faults for %s (seamless_health_check_healthy is {{ $value }}): run `seamless-health-check --output short`.' % config.health_check_failing_for,
        ),
        check_failing(
          'cronjob',
          '%s - %s > %s' % [scheduled, succeeded, promql.number(2 * period)],
          null,
          'The last run of the CronJob {{ $labels.cronjob }} began {{ $value | humanizeDuration }} after the last one that succeeded.',
        ),
        alerts.alert({
          name: 'SeamlessHealthCheckAbsent',
          severity: 'warning',
          expr: |||
            time() - (
              max by (%(target)s) (%(run)s or %(scheduled)s)
              or
              %(known)s
            ) > %(limit)s
          ||| % { target: target, run: check_run, scheduled: scheduled, limit: promql.number(3 * period), known: check_known },
          summary: 'The health check does not run',
          description: |||
            The health check on {{ $labels.instance }} last ran {{ $value | humanizeDuration }} ago; it runs every %s.
          ||| % config.health_check_period,
          dashboard: 'sla',
          variables: [],
        }),
        alerts.alert({
          name: 'SeamlessWatchdog',
          severity: 'none',
          expr: 'vector(1)',
          summary: 'Alerting works',
          description: 'This alert always fires. Its receiver raises the alarm when it stops.',
          dashboard: 'sla',
          variables: [],
        }),
      ],
    },
  ],
}
