//! A frame as exposition text, a piece at a time.
//!
//! Owns the order of the document. It holds one piece and never the whole: a scrape of a million
//! series needs as much memory as one of a thousand.

use std::sync::Arc;

use seamless_core::exposition::Format;
use seamless_core::exposition::write::{Header, Stencil, Writer};

use crate::cast::{Cast, CastFamily};
use crate::frame::{Frame, Value};

/// A piece is handed out once it holds this many bytes.
const PIECE: usize = 256 * 1024;

/// The pieces of one document.
pub(crate) struct Document {
    cast: Arc<Cast>,
    frame: Arc<Frame>,
    writer: Writer,
    at: Place,
}

/// What is written next.
enum Place {
    Family(usize),
    Role {
        family: usize,
        role: usize,
    },
    Copy {
        family: usize,
        role: usize,
        copy: usize,
        stencil: Stencil,
    },
    End,
    Over,
}

impl Document {
    pub(crate) fn new(cast: Arc<Cast>, frame: Arc<Frame>, format: Format) -> Self {
        Self {
            cast,
            frame,
            writer: Writer::new(format),
            at: Place::Family(0),
        }
    }

    /// Writes up to the end of a piece and returns where to go on.
    fn write(&self, at: Place, out: &mut Vec<u8>) -> Place {
        match at {
            Place::Family(index) => match self.cast.families.get(index) {
                None => Place::End,
                Some(family) => {
                    let header = Header {
                        name: &family.name,
                        kind: family.metric_type(),
                        help: family.family.help,
                    };
                    self.writer.header(header, out);
                    Place::Role {
                        family: index,
                        role: 0,
                    }
                }
            },
            Place::Role { family, role } => match self.stencil(family, role) {
                None => Place::Family(family + 1),
                Some(stencil) => Place::Copy {
                    family,
                    role,
                    copy: 0,
                    stencil,
                },
            },
            Place::Copy {
                family,
                role,
                mut copy,
                stencil,
            } => {
                let copies = self.cast.families[family].roles[role].copies.get(copy..);
                for labels in copies.unwrap_or_default() {
                    stencil.fill(labels, out);
                    copy += 1;
                    if out.len() >= PIECE {
                        return Place::Copy {
                            family,
                            role,
                            copy,
                            stencil,
                        };
                    }
                }
                Place::Role {
                    family,
                    role: role + 1,
                }
            }
            Place::End => {
                self.writer.finish(out);
                Place::Over
            }
            Place::Over => Place::Over,
        }
    }

    fn stencil(&self, family: usize, role: usize) -> Option<Stencil> {
        let CastFamily { name, bounds, .. } = self.cast.families.get(family)?;
        Some(match self.frame.values.get(family)?.get(role)? {
            Value::Count(count) => Stencil::count(name, *count),
            Value::Level(level) => Stencil::sample(name, *level),
            Value::Observations { buckets, sum } => Stencil::histogram(name, bounds, buckets, *sum),
        })
    }
}

impl Iterator for Document {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut at = std::mem::replace(&mut self.at, Place::Over);
        while out.len() < PIECE && !matches!(at, Place::Over) {
            at = self.write(at, &mut out);
        }
        self.at = at;
        (!out.is_empty()).then_some(out)
    }
}
