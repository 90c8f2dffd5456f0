//! What a recovery works with: its request and its surroundings.

use seamless_cli::{Stop, Terminal};

use crate::request::{Recovery, Request};

/// A run and its surroundings.
pub(crate) struct Run<'r> {
    pub(crate) request: &'r Request,
    pub(crate) recovery: &'r Recovery,
    pub(crate) terminal: &'r Terminal,
    pub(crate) stop: &'r Stop,
}
