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

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use fastrand::Rng;
    use proptest::prelude::*;
    use seamless_core::exposition::read;

    use super::*;
    use crate::args::Args;
    use crate::frame::Mood;
    use crate::request::Request;

    fn document(arguments: &[&str], steps: usize, format: Format) -> (u64, Vec<Vec<u8>>) {
        let program = ["inject-sla-violation"];
        let args = Args::try_parse_from(program.iter().chain(arguments)).unwrap();
        let request = Request::from_args(&args).unwrap();
        let cast = Arc::new(Cast::new(&request).unwrap());
        let mut frame = Frame::first(&cast);
        let mut rng = Rng::with_seed(1);
        for _ in 0..steps {
            frame.advance(&cast, &request, Mood::Violating, &mut rng);
        }
        let series = cast.series();
        (
            series,
            Document::new(cast, Arc::new(frame), format).collect(),
        )
    }

    #[test]
    fn pieces_are_bounded_and_make_one_document() {
        let arguments = ["n", "--scenario=all", "--nodes=150", "--worlds=2"];
        for format in [Format::Text, Format::OpenMetrics] {
            let (series, pieces) = document(&arguments, 1, format);
            assert!(pieces.len() > 10);
            assert!(pieces.iter().all(|piece| piece.len() < PIECE + 8192));
            let read = read::parse_as(&pieces.concat(), format).unwrap();
            assert_eq!(read.samples().count() as u64, series);
        }
    }

    #[test]
    fn every_violated_counter_moves_with_every_step() {
        let at = |steps| {
            let (_, pieces) = document(&["n", "--scenario=all"], steps, Format::Text);
            read::parse(&pieces.concat()).unwrap()
        };
        let (before, after) = (at(3), at(4));
        for (old, new) in before.samples().zip(after.samples()) {
            let counts = ["_total", "_count", "_sum"]
                .iter()
                .any(|suffix| new.name.ends_with(suffix));
            assert!(!counts || new.value > old.value, "{old:?} {new:?}");
        }
    }

    proptest! {
        #[test]
        fn any_name_comes_through(node in "\\PC*[a-z\\\\\"\n]\\PC*", world in any::<String>()) {
            prop_assume!(!node.starts_with('-') && !node.trim().is_empty());
            let world_id = format!("--world-id={world}");
            let arguments = ["--scenario=coverage", &world_id, "--", &node];
            let (_, pieces) = document(&arguments, 1, Format::Text);
            let read = read::parse(&pieces.concat()).unwrap();
            let sample = read.samples().next().unwrap();
            prop_assert_eq!(sample.label("node_id"), Some(node.as_str()));
            prop_assert_eq!(sample.label("world_id"), Some(world.as_str()));
        }
    }
}
