//! Lease specs and canonical keys.

use seamless_core::lease::{LeaseSpec, SpecError};

/// A line of a specs file. What is read can be written and read again; no error and no `Debug` shows a
/// token; a canonical key's fields lie in the key, in order.
pub(crate) fn lease_spec(bytes: &[u8]) {
    let Ok(line) = std::str::from_utf8(bytes) else {
        return;
    };
    let spec = match LeaseSpec::parse_line(line) {
        Ok(spec) => spec,
        Err(error) => {
            crate::assert_presentable(&error.to_string());
            let is_json = matches!(error, SpecError::Json(_));
            assert!(!is_json || line.trim().starts_with('{'), "{error}");
            return;
        }
    };
    let key = spec.key.as_str();
    assert!(!key.trim().is_empty());
    if let Some(token) = &spec.token {
        let exposed = token.expose();
        let hint = token.hint();
        assert!(hint.chars().count() <= 4 && exposed.starts_with(hint));
        assert_eq!(
            format!("{token} {token:?}"),
            format!("{hint}… LeaseToken({hint}…)")
        );
        // A key or token out of JSON may hold what a plain spec cannot.
        let plain = !exposed.contains(':')
            && exposed.trim() == exposed
            && key.trim_start() == key
            && !key.contains(char::is_control)
            && !exposed.contains(char::is_control)
            && !key.starts_with('{');
        let read = LeaseSpec::listed(&format!("{key}:{exposed}"));
        // The two together may be a key as a whole, without a token.
        let is_whole_key = read.as_ref().is_ok_and(|read| read.token.is_none());
        if plain && !is_whole_key {
            assert_eq!(read.as_ref(), Ok(&spec));
        }
    }
    if let Some(fields) = spec.key.canonical() {
        let numbers = [
            fields.interval.to_string(),
            fields.batch_start.to_string(),
            fields.batch_end.to_string(),
        ];
        assert!(fields.interval > 0 && fields.batch_start <= fields.batch_end);
        let rest = key
            .strip_prefix(fields.node_id)
            .map(|rest| rest.trim_start_matches(':'));
        assert!(rest.is_some_and(|rest| {
            // Numbers may have been written with zeros in front.
            let mut parts = rest.split(':');
            numbers.iter().all(|number| {
                let part = parts.next().unwrap_or_default();
                let (sign, digits) = part.strip_prefix('-').map_or(("", part), |d| ("-", d));
                let digits = digits.trim_start_matches('0');
                let digits = if digits.is_empty() { "0" } else { digits };
                *number == format!("{sign}{digits}") || (digits == "0" && number == "0")
            })
        }));
        for field in [fields.world, fields.requested_as_of].into_iter().flatten() {
            assert!(!field.is_empty() && key.contains(field));
        }
    }
}
