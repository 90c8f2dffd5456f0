//! Lines of a file or of standard input, bounded, numbered, more than once.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use anyhow::Context;
use seamless_core::logs::unpacked;

use crate::request::is_stdin;

/// Longer than any lease spec or log line; what is longer is another kind of file.
const LONGEST_LINE: usize = 1024 * 1024;
/// A pipe's text is held: more than a million leases, and less than the memory.
const LONGEST_HELD: u64 = 256 * 1024 * 1024;

/// Larger reads cost the kernel less, and this still fits the processor's cache.
const READ_AT_ONCE: usize = 256 * 1024;
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A file of lines.
pub(super) struct Input {
    name: String,
    content: Content,
}

enum Content {
    /// Read from the start each time.
    Seekable(File),
    /// A pipe's or standard input's text, which can be read only once.
    Held(Vec<u8>),
}

/// One line, without its end.
pub(super) struct Line<'l> {
    /// From 1.
    pub(super) number: usize,
    /// What it holds.
    pub(super) bytes: &'l [u8],
    /// The same, if it is UTF-8.
    pub(super) text: Option<&'l str>,
    /// The file ended before the line did.
    pub(super) is_torn: bool,
}

impl Input {
    /// Opens a file, or standard input for `-`.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let name = name_of(path);
        let content = if is_stdin(path) {
            Content::Held(held(&name, io::stdin().lock())?)
        } else {
            let cannot = || format!("cannot read {name}");
            let file = File::open(path).with_context(cannot)?;
            if file.metadata().with_context(cannot)?.is_file() {
                Content::Seekable(file)
            } else {
                Content::Held(held(&name, file)?)
            }
        };
        Ok(Self { name, content })
    }

    /// What it is called in errors.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Visits every line, from the first.
    pub(super) fn each_line(
        &mut self,
        visit: impl FnMut(Line<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match &mut self.content {
            Content::Held(text) => read_lines(&self.name, text.as_slice(), visit),
            Content::Seekable(file) => {
                file.rewind()
                    .with_context(|| format!("cannot read {}", self.name))?;
                read_lines(
                    &self.name,
                    BufReader::with_capacity(READ_AT_ONCE, file),
                    visit,
                )
            }
        }
    }
}

/// Visits every line of a file, or of standard input for `-`, once, unpacked if it is gzip. Nothing is held,
/// so that a pipe may bring any amount.
pub(super) fn each_line_once(
    path: &Path,
    visit: impl FnMut(Line<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let name = name_of(path);
    let opened = if is_stdin(path) {
        unpacked(io::stdin())
    } else {
        File::open(path).and_then(unpacked)
    };
    read_lines(
        &name,
        opened.with_context(|| format!("cannot read {name}"))?,
        visit,
    )
}

/// What a file is called in errors.
pub(super) fn name_of(path: &Path) -> String {
    if is_stdin(path) {
        "stdin".to_owned()
    } else {
        path.display().to_string()
    }
}

/// The whole text of what can be read only once.
fn held(name: &str, reader: impl Read) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    reader
        .take(LONGEST_HELD + 1)
        .read_to_end(&mut text)
        .with_context(|| format!("cannot read {name}"))?;
    if text.len() as u64 > LONGEST_HELD {
        anyhow::bail!(
            "{name}: more than {LONGEST_HELD} bytes; give it as a file instead of a pipe"
        );
    }
    Ok(text)
}

/// Visits every line of `reader`, whose name in errors is `name`. A line is copied only where it lies
/// across two reads.
pub(super) fn read_lines(
    name: &str,
    mut reader: impl BufRead,
    mut visit: impl FnMut(Line<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut number = 1;
    let mut begun = Vec::new();
    let mut visit = |number: usize, bytes: &[u8], text: Option<&str>, is_torn| {
        if bytes.len() > LONGEST_LINE {
            anyhow::bail!("{name}: line {number}: longer than {LONGEST_LINE} bytes");
        }
        let text = text.or_else(|| str::from_utf8(bytes).ok());
        // Some editors begin a file with a byte order mark.
        let is_marked = number == 1 && bytes.starts_with(BYTE_ORDER_MARK.as_bytes());
        let start = if is_marked { BYTE_ORDER_MARK.len() } else { 0 };
        visit(Line {
            number,
            bytes: &bytes[start..],
            text: text.map(|text| &text[start..]),
            is_torn,
        })
    };
    loop {
        let buffer = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            filled => filled.with_context(|| format!("{name}: line {number}: cannot be read"))?,
        };
        if buffer.is_empty() {
            break;
        }
        // All lines that end here are taken for text at once.
        let last = memchr::memrchr(b'\n', buffer).unwrap_or(0);
        let text = str::from_utf8(&buffer[..last]).ok();
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', buffer) {
            let line = &buffer[start..end];
            if begun.is_empty() {
                visit(number, line, text.map(|text| &text[start..end]), false)?;
            } else {
                begun.extend_from_slice(line);
                visit(number, &begun, None, false)?;
                begun.clear();
            }
            number += 1;
            start = end + 1;
        }
        begun.extend_from_slice(&buffer[start..]);
        let read = buffer.len();
        reader.consume(read);
        if begun.len() > LONGEST_LINE {
            break;
        }
    }
    if begun.is_empty() {
        return Ok(());
    }
    visit(number, &begun, None, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = Vec<(usize, Vec<u8>, Option<String>, bool)>;

    fn read(text: &[u8], at_once: usize) -> Read {
        let mut read = Vec::new();
        read_lines("it", BufReader::with_capacity(at_once, text), |line| {
            let text = line.text.map(str::to_owned);
            read.push((line.number, line.bytes.to_vec(), text, line.is_torn));
            Ok(())
        })
        .unwrap();
        read
    }

    #[test]
    fn lines_are_the_same_wherever_a_read_ends() {
        let text = "\u{feff}노드:a\n\ntail \u{e9}\n".as_bytes();
        let text = [text, b"\xff is no text\nplain\n", "torn é".as_bytes()].concat();
        let line = |number, text: &str, is_torn| {
            (
                number,
                text.as_bytes().to_vec(),
                Some(text.to_owned()),
                is_torn,
            )
        };
        let expected = vec![
            line(1, "노드:a", false),
            line(2, "", false),
            line(3, "tail é", false),
            (4, b"\xff is no text".to_vec(), None, false),
            line(5, "plain", false),
            line(6, "torn é", true),
        ];
        for at_once in 1..=text.len() + 1 {
            assert_eq!(read(&text, at_once), expected, "{at_once} bytes at once");
        }
    }
}
