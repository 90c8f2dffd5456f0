//! Which servers are started: the distribution's, or today's.
//!
//! Owns the choice. A choice holds for a thread, so that a test says it once
//! and every server that it starts, however deep in its helpers, is of that generation.

use std::cell::Cell;
use std::fmt;

/// A generation of servers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Generation {
    /// The distribution's packages, found on the `PATH`.
    #[default]
    Packaged,
    /// Today's releases, built from their Go modules by `cargo xtask servers` into [`current::folder`](super::current::folder).
    Current,
}

thread_local! {
    static CHOSEN: Cell<Generation> = const { Cell::new(Generation::Packaged) };
}

impl Generation {
    /// Both, the older one first.
    pub const BOTH: [Self; 2] = [Self::Packaged, Self::Current];

    /// `packaged` or `current`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Packaged => "packaged",
            Self::Current => "current",
        }
    }

    /// What this thread has chosen; the packaged ones at first.
    #[must_use]
    pub fn chosen() -> Self {
        CHOSEN.get()
    }

    /// Does `work` with the servers that this thread starts, and the programs that it looks for, of this
    /// generation. What was chosen before is chosen again afterwards.
    pub fn during<T>(self, work: impl FnOnce() -> T) -> T {
        // By a guard, since work may panic and the thread be used for another test.
        struct Restore(Generation);
        impl Drop for Restore {
            fn drop(&mut self) {
                CHOSEN.set(self.0);
            }
        }
        let _restore = Restore(CHOSEN.replace(self));
        work()
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Generation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut both = Self::BOTH.into_iter();
        both.find(|generation| generation.name() == text)
            .ok_or_else(|| "give packaged or current".to_owned())
    }
}

/// Makes functions tests that run once with each [`Generation`] of servers, as `NAME::packaged` and
/// `NAME::current`.
///
/// ```ignore
/// fn an_alert_arrives() {
///     let prometheus = Prometheus::builder().start().unwrap();
///     …
/// }
///
/// seamless_lab::on_both_generations!(an_alert_arrives);
/// ```
///
/// Where today's servers are not built, `NAME::current` fails and says how to get them;
/// `cargo xtask test` leaves these tests out where there is no Go to build them with, and says so.
#[macro_export]
macro_rules! on_both_generations {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            use $crate::servers::Generation;

            #[test]
            fn packaged() {
                Generation::Packaged.during(super::$name);
            }

            #[test]
            fn current() {
                Generation::Current.during(super::$name);
            }
        }
    )+};
}

#[cfg(test)]
mod tests {
    use super::Generation;

    #[test]
    fn a_choice_ends_with_its_work() {
        let chosen = Generation::Current.during(Generation::chosen);
        assert_eq!(chosen, Generation::Current);
        let broken = std::panic::catch_unwind(|| Generation::Current.during(|| panic!("broken")));
        assert!(broken.is_err());
        assert_eq!(Generation::chosen(), Generation::Packaged);
    }
}
