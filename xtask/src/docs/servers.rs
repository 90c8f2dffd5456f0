//! The table of servers that the tests run against, in the README and in both monitoring pages.
//!
//! Owns what the table says: today's versions come from the pinned modules, the distribution's from here,
//! where a test holds them to what the servers print. A page that has another table fails the check.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use seamless_lab::servers::current::{
    self, ALERTMANAGER_MODULE, PROMETHEUS_MODULE, VICTORIA_METRICS_MODULE,
};
use seamless_lab::servers::{self, Program};

/// A server that the tests start.
pub struct Tested {
    name: &'static str,
    /// The program of the distribution and the version that it prints, if there is one.
    pub packaged: Option<(Program, &'static str)>,
    module: Option<&'static str>,
    differs: [&'static str; 2],
}

/// The release whose packages the versions are of, as in `/etc/os-release`.
pub const DISTRIBUTION: &str = "Debian GNU/Linux 12 (bookworm)";

/// Every server.
pub const TESTED: &[Tested] = &[
    Tested {
        name: "Prometheus, promtool",
        packaged: Some((servers::PROMETHEUS, "2.42.0")),
        module: Some(PROMETHEUS_MODULE),
        differs: [
            "From 3.0 on: ranges are open on the left, so that one of a single scrape interval never holds two samples; `le` is normalised (`60.0`); names may be UTF-8; a scrape without a valid Content-Type fails; native histograms are stable from 3.8 on (`scrape_native_histograms`)",
            "3.0부터: 범위의 왼쪽 끝이 열려 있어 스크레이프 간격 하나짜리 범위에는 표본 두 개가 들어가지 않음; `le`가 정규화됨(`60.0`); 이름에 UTF-8 사용 가능; 유효한 Content-Type이 없는 스크레이프는 실패; 3.8부터 네이티브 히스토그램이 정식 지원됨(`scrape_native_histograms`)",
        ],
    },
    Tested {
        name: "Alertmanager, amtool",
        packaged: Some((servers::ALERTMANAGER, "0.25.0")),
        module: Some(ALERTMANAGER_MODULE),
        differs: [
            "From 0.27 on: matchers may be UTF-8, API v1 is gone; more kinds of receivers; failed notifications are counted with a `reason`",
            "0.27부터: 매처에 UTF-8 사용 가능, API v1 제거; 수신자 종류가 늘어남; 실패한 알림이 `reason`별로 집계됨",
        ],
    },
    Tested {
        name: "VictoriaMetrics",
        packaged: Some((servers::VICTORIA_METRICS, "1.79.5")),
        module: Some(VICTORIA_METRICS_MODULE),
        differs: [
            "Rules and dashboards rendered with `native_histograms=false`",
            "규칙과 대시보드를 `native_histograms=false`로 렌더링",
        ],
    },
    Tested {
        name: "vmalert",
        packaged: None,
        module: Some(VICTORIA_METRICS_MODULE),
        differs: [
            "Refuses the shipped file; the rules rendered with `native_histograms=false` load",
            "배포된 파일은 거부; `native_histograms=false`로 렌더링한 규칙은 로드됨",
        ],
    },
    Tested {
        name: "Pushgateway",
        packaged: Some((servers::PUSHGATEWAY, "1.5.1")),
        module: None,
        differs: ["", ""],
    },
    Tested {
        name: "node_exporter",
        packaged: Some((servers::NODE_EXPORTER, "1.5.0")),
        module: None,
        differs: ["", ""],
    },
];

const BEGIN: &str = "<!-- Servers: written by `cargo xtask docs` -->\n";
const END: &str = "<!-- End of servers -->\n";

/// The pages that hold the table, and their language: 0 is English, 1 Korean.
const PAGES: [(&str, usize); 3] = [
    ("README.md", 0),
    ("docs/monitoring.md", 0),
    ("docs/monitoring.ko.md", 1),
];

/// Puts the table into every page that has another one, or tells which have. One line for each such page.
///
/// # Errors
/// A page without its marks, or one that cannot be read or written.
pub(super) fn update(root: &Path, check: bool) -> Result<Vec<String>> {
    let mut changed = Vec::new();
    for (page, language) in PAGES {
        let path = root.join(page);
        let text = fs::read_to_string(&path).with_context(|| page.to_owned())?;
        let (head, rest) = text
            .split_once(BEGIN)
            .with_context(|| format!("{page} lacks the line {}", BEGIN.trim()))?;
        let (_, tail) = rest
            .split_once(END)
            .with_context(|| format!("{page} lacks the line {}", END.trim()))?;
        let wanted = format!("{head}{BEGIN}{}{END}{tail}", table(language)?);
        if wanted == text {
            continue;
        }
        if check {
            changed.push(format!("{page}: its table of servers is out of date"));
        } else {
            fs::write(&path, wanted).with_context(|| page.to_owned())?;
            changed.push(page.to_owned());
        }
    }
    Ok(changed)
}

fn table(language: usize) -> Result<String> {
    let mut text = [
        "| server | packaged (Debian 12) | current | what differs in the current one |\n|---|---|---|---|\n",
        "| 서버 | 패키지(Debian 12) | 최신 | 최신 버전에서 달라지는 점 |\n|---|---|---|---|\n",
    ][language]
        .to_owned();
    for server in TESTED {
        let packaged = server.packaged.map_or("", |(_, version)| version);
        let current = match server.module {
            Some(module) => current::module(module)?.release(),
            None => String::new(),
        };
        let differs = server.differs[language];
        text += &format!("| {} | {packaged} | {current} | {differs} |\n", server.name);
    }
    Ok(text)
}
