//! The terminal layer that the seamless-ops programs share.
//!
//! Owns argument groups, connecting to the configured endpoints, output that survives a closed pipe,
//! colour, tables, progress, confirmation, signals, atomic files and exit statuses. It knows nothing of
//! what a program does.

mod args;
mod color;
mod confirm;
mod connect;
mod descriptors;
mod exit;
mod file;
mod progress;
mod remedy;
mod run;
mod signals;
mod table;
mod terminal;

pub use args::{
    AlertmanagerArgs, CoordinatorArgs, HttpArgs, PrometheusArgs, TerminalArgs, duration,
    positive_duration,
};
pub use color::{ColorChoice, Palette};
pub use confirm::{ConfirmError, Consent, can_ask, confirm};
pub use connect::{Connections, WantedEndpoint};
pub use descriptors::concurrency_within_limits;
pub use exit::{ExitStatus, UsageError};
pub use file::{FileError, FolderLock, check_writable, remove_file, text_of, write_atomically};
pub use progress::Progress;
pub use remedy::remedy_words;
pub use run::{Refusal, run};
pub use signals::{Signal, Stop};
pub use table::{clean, ratio_bar, shown_width, table, truncated, wrapped};
pub use terminal::{OutputError, Terminal};
