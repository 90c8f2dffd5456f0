//! Bounds on what is read and shown: a file, a line or a text may be of any length.

use std::io::{self, BufRead, Read};

/// Reads a source whole, `limit` bytes of it at most.
///
/// # Errors
/// If it cannot be read or is larger.
pub fn read(source: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let message = format!("it is larger than {} MiB", limit >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// The same of a UTF-8 text.
///
/// # Errors
/// If it cannot be read, is larger, or is not UTF-8.
pub fn read_text(source: impl Read, limit: u64) -> io::Result<String> {
    String::from_utf8(read(source, limit)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Reads the next line with its end into `line`, `limit` bytes of it at most; what is longer goes on where
/// this ends. False at the end of the source.
///
/// # Errors
/// If it cannot be read.
pub fn read_line(source: &mut dyn BufRead, limit: usize, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    Ok(source.take(limit as u64).read_until(b'\n', line)? > 0)
}

/// The beginning of a text that comes from outside: a certificate may list a thousand names.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 300;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_larger_is_refused_and_what_is_as_large_is_read() {
        let mebibyte = vec![b'x'; 1 << 20];
        assert_eq!(read(mebibyte.as_slice(), 1 << 20).unwrap(), mebibyte);
        let error = read(io::repeat(b'x'), 1 << 20).unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 1 MiB");
        let error = read_text(&b"\xff"[..], 1 << 20).unwrap_err();
        assert_eq!(error.to_string(), "it is not UTF-8");
    }

    #[test]
    fn a_line_that_never_ends_comes_in_pieces() {
        let mut source: &[u8] = b"ab\nabcdef\n";
        let mut line = Vec::new();
        let mut lines = Vec::new();
        while read_line(&mut source, 4, &mut line).unwrap() {
            lines.push(line.clone());
        }
        assert_eq!(lines, [&b"ab\n"[..], b"abcd", b"ef\n"]);
    }
}
