//! Whether the platform's log can be read.

use super::events::broken;
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::site::Site;
use crate::telemetry::Logs;
use crate::verdict::CheckOutcome;

pub(super) const CHECK: Check = Check {
    name: "log",
    group: Group::Telemetry,
    title: "the log can be read",
    needs: &[Need::Log],
    requires: &[],
    severity: Severity::Fail,
    hint: "let nothing but the logger write to this file",
    anchor: "check-telemetry",
    explained: Explained {
        means: "The log is empty, or lines of it cannot be read.",
        remedy: "Give the platform's own log, and let nothing but the logger write to that file.",
        example: "fail  the log is empty",
        korean: Korean {
            title: "로그를 읽을 수 있다",
            means: "로그가 비었거나 읽을 수 없는 줄이 있다.",
            remedy: "플랫폼의 로그를 주고, 로거 외에는 그 파일에 쓰지 않게 한다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    Ok(judge(site.logs().await?))
}

fn judge(logs: &Logs) -> CheckOutcome {
    match (logs.lines, logs.broken.count) {
        (0, _) => {
            CheckOutcome::fail("the log is empty").hint("check that this is the platform's log")
        }
        (lines, 0) => CheckOutcome::pass(match logs.json {
            0 => format!("{lines} lines of text ({})", logs.levels),
            json => format!("{lines} lines, {json} of them JSON ({})", logs.levels),
        }),
        (lines, count) if count == lines => CheckOutcome::fail(broken(&logs.broken, lines)),
        (lines, _) => CheckOutcome::warn(broken(&logs.broken, lines)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_whole_in_part_or_not_at_all() {
        let event = r#"{"event": "x", "level": "info"}"#;
        for (text, word) in [
            (format!("{event}\n"), "pass"),
            (format!("{event}\n{{\"event\": \n"), "warn"),
            ("{\"event\": \n".to_owned(), "fail"),
            (String::new(), "fail"),
        ] {
            let logs = Logs::read(&mut text.as_bytes()).unwrap();
            assert_eq!(judge(&logs).verdict.word(), word, "{text}");
        }
    }
}
