//! What is wrong with a YAML file, in one line.

/// The place, and what is wrong there.
pub(crate) fn problem(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or("not YAML");
    let Some(at) = error.location() else {
        return line.to_owned();
    };
    // The parser says the place its own way.
    let place = format!("error: line {} column {}: ", at.line(), at.column());
    let what = line.strip_prefix(&place).unwrap_or(line);
    format!("line {}, column {}: {what}", at.line(), at.column())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    #[test]
    fn the_place_is_said_once() {
        let read = serde_saphyr::from_str::<BTreeMap<String, u8>>("a: 1\nb: [2]\n");
        let said = super::problem(&read.unwrap_err());
        assert!(said.starts_with("line 2, column 4: "), "{said}");
        assert_eq!(said.matches("column").count(), 1, "{said}");
        assert!(!said.contains('\n'), "{said}");
    }
}
