//! Lines of a file or of standard input, bounded and numbered.

use std::fs::File;
use std::io::{self, BufRead};
use std::path::Path;

use anyhow::Context;
use seamless_core::bounds;
use seamless_core::logs::unpacked;

use crate::request::is_stdin;

/// Longer than any lease spec or log line; what is longer is another kind of file.
const LONGEST_LINE: usize = 1024 * 1024;
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// One line, without its end.
pub(super) struct Line<'l> {
    /// What it holds.
    pub(super) bytes: &'l [u8],
    /// The file ended before the line did.
    pub(super) is_torn: bool,
}

/// Visits every line of a file, or of standard input for `-`, unpacked if it is gzip. An error of `visit` gets
/// the line's place.
pub(super) fn each(
    path: &Path,
    visit: impl FnMut(Line<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let name = name_of(path);
    let opened = if is_stdin(path) {
        unpacked(io::stdin())
    } else {
        File::open(path).and_then(unpacked)
    };
    let reader = opened.with_context(|| format!("cannot read {name}"))?;
    read(&name, reader, visit)
}

/// What a file is called in errors.
pub(super) fn name_of(path: &Path) -> String {
    if is_stdin(path) {
        "stdin".to_owned()
    } else {
        path.display().to_string()
    }
}

/// Visits every line of `reader`, whose name in errors is `name`.
pub(super) fn read(
    name: &str,
    mut reader: impl BufRead,
    mut visit: impl FnMut(Line<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut line = Vec::new();
    for number in 1.. {
        let place = || format!("{name}: line {number}");
        let read = bounds::read_line(&mut reader, LONGEST_LINE + 2, &mut line);
        if !read.with_context(|| format!("{}: cannot be read", place()))? {
            break;
        }
        let is_torn = line.last() != Some(&b'\n');
        if !is_torn {
            line.pop();
        }
        if line.len() > LONGEST_LINE {
            anyhow::bail!("{}: longer than {LONGEST_LINE} bytes", place());
        }
        // Some editors begin a file with a byte order mark.
        let bytes = line
            .strip_prefix(BYTE_ORDER_MARK)
            .filter(|_| number == 1)
            .unwrap_or(&line);
        visit(Line { bytes, is_torn }).with_context(place)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_without_their_ends_and_the_last_may_be_torn() {
        let text = "\u{feff}노드:a\n\ntail\n".as_bytes();
        let text = [text, b"\xff is no text\n", "torn é".as_bytes()].concat();
        let mut lines = Vec::new();
        read("it", text.as_slice(), |line| {
            lines.push((line.bytes.to_vec(), line.is_torn));
            Ok(())
        })
        .unwrap();
        let expected = [
            ("노드:a".as_bytes(), false),
            (b"", false),
            (b"tail", false),
            (b"\xff is no text", false),
            ("torn é".as_bytes(), true),
        ];
        let expected = expected.map(|(bytes, is_torn)| (bytes.to_vec(), is_torn));
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_line_without_end_is_refused_with_its_place() {
        let endless = io::BufReader::new(io::repeat(b'x'));
        let error = read("it", endless, |_| Ok(())).unwrap_err();
        assert!(
            error.to_string().starts_with("it: line 1: longer"),
            "{error}"
        );
    }
}
