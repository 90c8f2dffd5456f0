//! `KEY:TOKEN` lines that feed `--from-file -`. The only text output with whole tokens: it was asked for.

use seamless_core::lease::LeaseSpec;

use crate::report::Report;

/// The leases of a run. What an earlier run settled needs no further run.
pub(super) fn report(report: &Report) -> String {
    let mut out = String::new();
    for lease in report.leases.iter().filter(|lease| !lease.by_earlier_run) {
        line(&mut out, &lease.spec);
    }
    out
}

/// Appends one lease. Where the plain form would be read differently it is written as a JSON object.
pub(crate) fn line(out: &mut String, spec: &LeaseSpec) {
    let token = spec.token.as_ref().map_or("", |token| token.expose());
    let plain = format!("{}:{token}", spec.key);
    if LeaseSpec::parse_line(&plain).as_ref() == Ok(spec) && !plain.starts_with('#') {
        out.push_str(&plain);
    } else {
        let object = serde_json::json!({"key": spec.key.as_str(), "token": token});
        out.push_str(&object.to_string());
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_back_as_the_same_lease() {
        for (key, token) in [
            ("lease-A", "deadbeef"),
            (
                "ohlcv:binance:BTC/USDT:60:1700:1760:world-1:2024-01-01T00:00:00Z",
                "t",
            ),
            ("노드 A:60:0:60", "t"),
            ("#odd", "t"),
            ("{odd", "t"),
            ("a", "with:colon"),
            (" blank", "t"),
            ("line\nbreak", "t"),
        ] {
            let object = serde_json::json!({"key": key, "token": token}).to_string();
            let spec = LeaseSpec::parse_line(&object).unwrap();
            let mut out = String::new();
            line(&mut out, &spec);
            assert_eq!(out.matches('\n').count(), 1, "{out}");
            assert!(!out.starts_with('#'));
            assert_eq!(LeaseSpec::parse_line(&out), Ok(spec), "{out}");
        }
    }
}
