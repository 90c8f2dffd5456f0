//! What this machine gives the checks. A URL or configuration file that cannot be used never gets
//! here: it is a usage error.

use super::listed;
use crate::check::{Check, Group, Outcome, Severity};
use crate::facts::Facts;
use crate::request::Request;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "variables",
        group: Group::Environment,
        title: "required environment variables are set",
        sources: &[],
        requires: &[],
        severity: Severity::Fail,
        hint: "set it where this check runs",
        anchor: "check-environment",
        judge: variables,
    },
    Check {
        name: "endpoints",
        group: Group::Environment,
        title: "endpoints are configured",
        sources: &[],
        requires: &[],
        severity: Severity::Fail,
        hint: "set the URLs by flag, environment or qmtl.yml",
        anchor: "check-environment",
        judge: endpoints,
    },
];

fn variables(facts: &Facts, request: &Request) -> Outcome {
    if request.required_env.is_empty() {
        return Outcome::pass("none is required (--required-env)");
    }
    let unset: Vec<&String> = request
        .required_env
        .iter()
        .filter(|name| !facts.environment.get(*name).copied().unwrap_or(false))
        .collect();
    if unset.is_empty() {
        return Outcome::pass(format!("{} set", listed(&request.required_env)));
    }
    Outcome::fail(format!("not set: {}", listed(&unset)))
}

fn endpoints(_: &Facts, request: &Request) -> Outcome {
    if request.endpoints.is_empty() {
        return Outcome::pass("none is needed");
    }
    let from: Vec<String> = request
        .endpoints
        .iter()
        .map(|(service, url, origin)| format!("{} {url} ({origin})", service.name()))
        .collect();
    Outcome::pass(from.join(", "))
}
