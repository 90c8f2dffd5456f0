//! The built program against servers that keep its requests: exit code, streams and requests received.

mod kill;
mod outcomes;
mod program;
