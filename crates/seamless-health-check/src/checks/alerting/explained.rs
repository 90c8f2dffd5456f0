//! What each check on the path of an alert means, in both languages.

use crate::check::{Explained, Korean};

pub(super) const RULES_LOADED: Explained = Explained {
    means: "Rules that should be loaded are not, differ from the shipped ones, or are loaded twice. A rule that is not loaded never alerts.",
    remedy: "Install the rule file under `rule_files:`, take older copies out, and reload Prometheus. Rules of the site's own: `--rules FILE`.",
    example: "fail  1 of 58 rules not loaded: SeamlessSla99thDegraded: not loaded",
    korean: Korean {
        title: "규칙이 로드되어 있다",
        means: "로드되어야 할 규칙이 없거나, 제공된 규칙과 다르거나, 두 번 로드되었다. 로드되지 않은 규칙은 경보를 울리지 않는다.",
        remedy: "규칙 파일을 `rule_files:`에 넣고 오래된 사본을 뺀 뒤 Prometheus를 다시 읽힌다. 사이트의 규칙은 `--rules FILE`로 준다.",
    },
};

pub(super) const RULES_EVALUATED: Explained = Explained {
    means: "The last evaluation of a rule failed, or is older than three intervals: the alert does not follow what happens.",
    remedy: "The rule's page in Prometheus (Status, Rules) shows the error. Rules that are late: Prometheus is overloaded, or the group is too large. Right after a start, wait with `--wait 5m`.",
    example: "fail  SeamlessSla99thDegraded: last evaluated 12m ago, though due every 30s",
    korean: Korean {
        title: "마지막 평가가 성공했고 최근이다",
        means: "규칙의 마지막 평가가 실패했거나 주기의 세 배보다 오래되었다. 경보가 현재 상태를 따라가지 못한다.",
        remedy: "Prometheus의 규칙 페이지(Status, Rules)에 오류가 나온다. 평가가 늦으면 Prometheus에 부하가 걸렸거나 그룹이 너무 크다. 시작 직후라면 `--wait 5m`으로 기다린다.",
    },
};

pub(super) const INPUTS: Explained = Explained {
    means: "An alert reads series that do not exist, or a name that nothing feeds. Such an alert never fires.",
    remedy: "See `prometheus/present` for a metric of the runtime. A name that no loaded rule feeds is a recording rule that is not loaded, or a typing error.",
    example: "fail  SeamlessSla99thDegraded: reads seamless_sla_deadline_seconds, of which there are no series",
    korean: Korean {
        title: "경보가 읽는 시계열이 있다",
        means: "경보가 없는 시계열이나 아무것도 만들지 않는 이름을 읽는다. 그런 경보는 절대 울리지 않는다.",
        remedy: "런타임의 메트릭이면 `prometheus/present`를 본다. 로드된 규칙이 만들지 않는 이름은 로드되지 않은 기록 규칙이거나 오타다.",
    },
};

pub(super) const CAN_FIRE: Explained = Explained {
    means: "By its expression and the buckets that there are, an alert can never become true, or is always true.",
    remedy: "Correct the expression. If its threshold lies above the highest bucket, give the runtime's histogram the buckets of the schema.",
    example: "fail  SeamlessSla99thDegraded: can never fire: the highest bucket is 10, the threshold 60",
    korean: Korean {
        title: "경보의 식이 참이 될 수 있다",
        means: "식과 지금 있는 버킷으로 보면 경보가 절대 참이 될 수 없거나 항상 참이다.",
        remedy: "식을 고친다. 임계값이 가장 높은 버킷보다 높으면 런타임의 히스토그램에 스키마의 버킷을 설정한다.",
    },
};

pub(super) const RANGES: Explained = Explained {
    means: "The range of a rule is shorter than two scrapes, so that `rate()` has nothing to compare: the alert never fires, or (a warning) has no value now and then. Or the range is longer than Prometheus keeps samples (a warning): the error budget is then that of less than 30 days.",
    remedy: "Scrape the runtime more often (`scrape_interval`), or widen the ranges of the rules. Let Prometheus keep 35 days: `--storage.tsdb.retention.time=35d`.",
    example: "fail  SeamlessBackfillFailing: can never fire: its range 1m covers fewer than two scrapes of 1m",
    korean: Korean {
        title: "범위가 스크레이프 두 번을 덮고 보관 기간 안에 있다",
        means: "규칙의 범위가 스크레이프 두 번보다 짧다. `rate()`가 비교할 것이 없어 경보가 울리지 않거나, 때때로 값이 없다(경고). 또는 범위가 Prometheus의 보관 기간보다 길다(경고): 오류 예산이 30일보다 짧은 기간의 값이 된다.",
        remedy: "런타임을 더 자주 스크레이프하거나(`scrape_interval`) 규칙의 범위를 넓힌다. Prometheus가 35일 동안 보관하게 한다: `--storage.tsdb.retention.time=35d`.",
    },
};

pub(super) const FIRING: Explained = Explained {
    means: "An alert is firing. A critical one fails the check, others warn; a drill's alerts, the watchdog and the alerts on the health check itself do not count.",
    remedy: "Follow the alert's section in the runbook. `--explain ALERT` shows whom it reaches.",
    example: "fail  SeamlessSla99thDegraded: the p99 of total is over its budget",
    korean: Korean {
        title: "울리는 경보가 없다",
        means: "경보가 울리고 있다. critical이면 실패, 나머지는 경고다. 훈련의 경보, watchdog, 헬스 체크 자체에 대한 경보는 세지 않는다.",
        remedy: "런북에서 그 경보의 절을 따른다. `--explain ALERT`는 누가 받는지 보여 준다.",
    },
};

pub(super) const ALERTMANAGER_KNOWN: Explained = Explained {
    means: "Prometheus has no Alertmanager to send to, or its relabelling drops every one: alerts fire, and nobody is told.",
    remedy: "Add it under `alerting: alertmanagers:` in prometheus.yml and reload Prometheus.",
    example: "fail  Prometheus has no Alertmanager; alerts go nowhere",
    korean: Korean {
        title: "Prometheus에 Alertmanager가 있다",
        means: "Prometheus가 보낼 Alertmanager가 없거나 재레이블링이 모두 제외한다. 경보가 울려도 아무도 받지 못한다.",
        remedy: "prometheus.yml의 `alerting: alertmanagers:`에 추가하고 Prometheus를 다시 읽힌다.",
    },
};

pub(super) const ALERTMANAGER_READY: Explained = Explained {
    means: "Alertmanager does not answer, or answers that it is not ready.",
    remedy: "Look at its log. Prometheus holds what it could not send only for a short time: an alert that still fires is sent again.",
    example: "fail  Alertmanager at http://alertmanager:9093: connection refused",
    korean: Korean {
        title: "Alertmanager가 준비되어 있다",
        means: "Alertmanager가 응답하지 않거나 준비되지 않았다고 답한다.",
        remedy: "Alertmanager의 로그를 본다. Prometheus는 보내지 못한 경보를 잠시만 보관한다. 계속 울리는 경보는 다시 보낸다.",
    },
};

pub(super) const HELD: Explained = Explained {
    means: "SeamlessWatchdog always fires, and Alertmanager does not hold this Prometheus's, or holds an old one: what Prometheus sends does not arrive.",
    remedy: "Prometheus's log names the Alertmanagers that it cannot reach. If the labels differ, the alert is from another Prometheus: compare the external labels. Right after a start, wait with `--wait 2m`.",
    example: "fail  SeamlessWatchdog: it holds none: what Prometheus sends does not arrive",
    korean: Korean {
        title: "Alertmanager가 이 Prometheus의 SeamlessWatchdog을 가지고 있다",
        means: "SeamlessWatchdog은 항상 울린다. 그런데 Alertmanager에 이 Prometheus의 것이 없거나 오래되었다. Prometheus가 보낸 것이 도착하지 않는다.",
        remedy: "Prometheus의 로그에 닿지 못하는 Alertmanager가 나온다. 레이블이 다르면 다른 Prometheus의 경보이므로 외부 레이블을 비교한다. 시작 직후라면 `--wait 2m`으로 기다린다.",
    },
};

pub(super) const SENT: Explained = Explained {
    means: "Alerts fail on their way from Prometheus to Alertmanager, or are dropped because the queue is full; or the last reload of Prometheus failed.",
    remedy: "Prometheus's log names the Alertmanager and the error. After a failed reload: `promtool check config`.",
    example: "fail  http://alertmanager:9093/api/v2/alerts: 12 alerts could not be sent there in 10m",
    korean: Korean {
        title: "Alertmanager로 가는 길에 실패하는 경보가 없다",
        means: "경보가 Prometheus에서 Alertmanager로 가는 길에 실패하거나, 큐가 가득 차 버려진다. 또는 Prometheus의 마지막 설정 읽기가 실패했다.",
        remedy: "Prometheus의 로그에 Alertmanager와 오류가 나온다. 설정 읽기가 실패했으면 `promtool check config`로 확인한다.",
    },
};

pub(super) const ROUTES: Explained = Explained {
    means: "By Alertmanager's configuration, an alert reaches nobody, or a critical one reaches only receivers that do not page. PagerDuty, Opsgenie, VictorOps, incident.io, Pushover and SNS page.",
    remedy: "Compare with the shipped `alertmanager.yml`. If another receiver pages, say so: `--receiver critical=NAME`. Before a deployment, check the file with no server: `--only alerting/routes --alertmanager-config FILE`.",
    example: "warn  SeamlessBackfillStuckLease: critical, but reaches only slack (slack), which does not page",
    korean: Korean {
        title: "모든 경보가 누군가에게 닿는다",
        means: "Alertmanager의 설정대로라면 경보가 아무에게도 닿지 않거나, critical 경보가 호출하지 않는 수신자에게만 닿는다. PagerDuty, Opsgenie, VictorOps, incident.io, Pushover, SNS는 호출한다.",
        remedy: "제공된 `alertmanager.yml`과 비교한다. 다른 수신자가 호출한다면 `--receiver critical=NAME`으로 알려 준다. 배포 전에는 서버 없이 파일을 확인한다: `--only alerting/routes --alertmanager-config FILE`.",
    },
};

pub(super) const OPEN: Explained = Explained {
    means: "A mute or active time interval closes the route of an alert now: nobody is told until it opens.",
    remedy: "Give a route that pages no time interval, or let another route take over (`continue`).",
    example: "fail  SeamlessSla99thDegraded: muted now by weekend of {severity=\"critical\"}; opens 2026-01-05T00:00:00Z",
    korean: Korean {
        title: "경보의 라우트가 지금 음소거되어 있지 않다",
        means: "지금 시간대에는 시간 구간 설정이 경보의 라우트를 닫는다. 다시 열릴 때까지 아무도 받지 못한다.",
        remedy: "호출하는 라우트에는 시간 구간을 두지 않거나, 다른 라우트가 이어받게 한다(`continue`).",
    },
};

pub(super) const SILENCES: Explained = Explained {
    means: "A silence covers every series of an alert: it fires, and nobody is told until the silence ends. A silence on a node, lease or domain passes.",
    remedy: "Ask whoever made it; narrow it, or expire it: `amtool silence expire ID`.",
    example: "fail  silence 3f0c: silences SeamlessSla99thDegraded: {alertname=~\"Seamless.*\"} by kim, until 2026-01-05T08:00:00Z: upgrade",
    korean: Korean {
        title: "경보 전체를 덮는 사일런스가 없다",
        means: "사일런스가 경보의 모든 시계열을 덮는다. 사일런스가 끝날 때까지 울려도 아무도 받지 못한다. 노드, 리스, 도메인에 대한 사일런스는 통과한다.",
        remedy: "만든 사람에게 묻는다. 범위를 좁히거나 끝낸다: `amtool silence expire ID`.",
    },
};

pub(super) const INHIBITIONS: Explained = Explained {
    means: "An alert that fires holds another one back by an inhibit rule that does not ship.",
    remedy: "Narrow the inhibit rule: name the alerts on both sides, or labels in `equal`.",
    example: "fail  SeamlessSla99thDegraded: held back by ClusterDown{severity=\"critical\"}, which fires, through inhibit_rules[0]",
    korean: Korean {
        title: "다른 경보를 막고 있는 경보가 없다",
        means: "울리는 경보가 제공되지 않은 inhibit 규칙으로 다른 경보를 막는다.",
        remedy: "inhibit 규칙을 좁힌다. 양쪽에 경보 이름을 쓰거나 `equal`에 레이블을 쓴다.",
    },
};

pub(super) const DELIVERED: Explained = Explained {
    means: "Alertmanager notifies, and PagerDuty, Slack or another service refuses. Its counters know kinds of integrations, not receivers.",
    remedy: "Alertmanager's log says why each notification failed: a key that is refused, a URL that is wrong. Where Prometheus scrapes neither itself nor Alertmanager, `--wait-delivery` looks twice.",
    example: "fail  pagerduty: 7 notifications failed in 6h (receiver pagerduty)",
    korean: Korean {
        title: "Alertmanager의 알림이 도착한다",
        means: "Alertmanager는 알렸지만 PagerDuty나 Slack 같은 서비스가 거부한다. 카운터는 수신자가 아니라 통합의 종류별이다.",
        remedy: "알림이 실패한 이유는 Alertmanager의 로그에 있다. 거부된 키나 잘못된 URL이다. Prometheus가 자신도 Alertmanager도 스크레이프하지 않으면 `--wait-delivery`가 두 번 본다.",
    },
};
