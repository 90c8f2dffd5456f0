//! Files: configuration and rules.

use std::path::Path;

use seamless_core::config::{ConfigFile, Service, endpoints};
use seamless_core::promql::Expression;
use seamless_core::rules::RuleFile;

/// A configuration file, and the URLs in it. What is read is an absolute URL; no error shows userinfo.
pub(crate) fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match ConfigFile::parse(Path::new("qmtl.yml"), text) {
        Ok(file) => {
            for service in [
                Service::Coordinator,
                Service::Prometheus,
                Service::Alertmanager,
            ] {
                match endpoints(service, None, &|_| None, None, Some(&file)) {
                    Ok(found) => {
                        for found in found {
                            let shown = found.endpoint.to_string();
                            assert!(shown.starts_with("http://") || shown.starts_with("https://"));
                            assert!(!shown.split('/').nth(2).unwrap_or_default().contains('@'));
                        }
                    }
                    Err(error) => assert!(!error.to_string().contains('\n')),
                }
            }
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
}

/// A rule file and its expressions, or one bare expression. An expression means the same as itself.
pub(crate) fn rule_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    expression(text);
    let Ok(file) = RuleFile::parse(text) else {
        return;
    };
    for rule in file.rules() {
        let _ = (file.inputs(rule), file.thresholds(rule));
        expression(&rule.expr);
    }
}

fn expression(text: &str) {
    let [one, other] = [text, text].map(|text| Expression::from(text.to_owned()));
    if let Ok(query) = one.query() {
        assert!(matches!(one.same_meaning(&other), Ok(true)), "{text}");
        for selector in query.selectors() {
            let _ = (selector.name(), selector.families());
        }
        let _ = query.thresholds();
    }
}
