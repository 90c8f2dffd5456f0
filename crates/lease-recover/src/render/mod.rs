//! A finished run, written out.
//!
//! Owns the formats of the result. A renderer is fed lease by lease, so that a million of them need not
//! be held; it decides nothing and prints nothing itself.

mod blocks;
pub(crate) mod json;
pub(crate) mod specs;
pub(crate) mod table;
mod text;

use seamless_cli::{ExitStatus, Palette};
use seamless_core::lease::LeaseSpec;

use crate::args::Output;
use crate::outcome::Settled;
use crate::report::{Head, Tail};

/// One format of a recovery's result. Each part is appended to `out`.
pub(crate) trait Render {
    /// Before the first lease.
    fn begin(&mut self, out: &mut String, head: &Head);
    /// One lease.
    fn lease(&mut self, out: &mut String, spec: &LeaseSpec, settled: &Settled);
    /// After the last.
    fn end(&mut self, out: &mut String, tail: &Tail, status: ExitStatus);
}

/// The renderer of a format.
pub(crate) fn renderer(output: Output, show_tokens: bool, palette: Palette) -> Box<dyn Render> {
    match output {
        Output::Text => Box::new(text::Text::new(palette)),
        Output::Json => Box::new(json::Json::new(show_tokens)),
        Output::Specs => Box::new(specs::Specs),
    }
}
