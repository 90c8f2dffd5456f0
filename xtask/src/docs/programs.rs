//! What is generated from the programs' own command lines: help pages, man pages, completions.

use anyhow::{Context as _, Result};
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

/// The shells that completions are generated for.
pub(super) const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// The width of the help in the pages.
const COLUMNS: usize = 100;

/// The command lines of the shipped programs.
pub(super) fn commands() -> Vec<Command> {
    vec![
        inject_sla_violation::Args::command(),
        lease_recover::command(),
        seamless_health_check::Args::command(),
    ]
}

/// The Markdown page of a program.
pub(super) fn page(command: &Command) -> String {
    let name = command.get_name();
    let mut narrow = command.clone().term_width(COLUMNS);
    let help = narrow.render_long_help().to_string();
    format!(
        "# {name}\n\n```text\n{}\n```\n\nExit codes: [exit-codes.md](exit-codes.md).\n",
        trimmed(&help)
    )
}

/// The man page of a program, as troff.
///
/// # Errors
/// If it cannot be rendered.
pub(super) fn man_page(command: &Command) -> Result<String> {
    let mut troff = Vec::new();
    clap_mangen::Man::new(command.clone())
        .manual("seamless-ops")
        .render(&mut troff)
        .with_context(|| format!("no man page of {}", command.get_name()))?;
    Ok(trimmed(&String::from_utf8(troff)?) + "\n")
}

/// The completions of a program, and the name under which that shell looks for them.
///
/// # Errors
/// If they cannot be generated.
pub(super) fn completions(command: &Command, shell: Shell) -> Result<(String, String)> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command.clone(), &name, &mut script);
    let file = match shell {
        Shell::Zsh => format!("_{name}"),
        Shell::Fish => format!("{name}.fish"),
        _ => name,
    };
    Ok((file, trimmed(&String::from_utf8(script)?) + "\n"))
}

/// Without blanks at the ends of lines, which editors and diffs stumble over.
fn trimmed(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line that the terminal's width breaks cannot be copied.
    #[test]
    fn the_examples_of_a_help_page_are_whole_at_80_columns() {
        for command in commands() {
            let end = command.get_after_help().unwrap().to_string();
            for line in end.lines() {
                assert!(seamless_cli::shown_width(line) <= 80, "{line}");
            }
            let mut narrow = command.clone().term_width(80);
            let help = narrow.render_long_help().to_string();
            assert!(trimmed(&help).contains(trimmed(&end).trim_end()), "{help}");
        }
    }

    #[test]
    fn every_program_is_complete_in_every_form() {
        for command in commands() {
            let name = command.get_name();
            assert!(page(&command).contains("Usage: "), "{name}");
            assert!(
                man_page(&command).unwrap().contains(".SH OPTIONS"),
                "{name}"
            );
            for shell in SHELLS {
                let (_, script) = completions(&command, shell).unwrap();
                assert!(script.contains("deadline"), "{name}, {shell}");
            }
        }
    }
}
