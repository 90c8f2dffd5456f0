//! The table of tested servers in the documents, held to what the servers print.

use std::fs;
use std::process::Command;

use anyhow::Result;
use seamless_lab::servers::current::{
    self, ALERTMANAGER_MODULE, PROMETHEUS_MODULE, VICTORIA_METRICS_MODULE,
};
use seamless_lab::servers::{self, Generation, Program};
use xtask::docs::servers::{DISTRIBUTION, TESTED};

/// What `--version` prints, on either stream.
fn printed(program: Program) -> Result<String> {
    let output = Command::new(program.require()?).arg("--version").output()?;
    Ok(String::from_utf8([output.stdout, output.stderr].concat())?)
}

#[test]
fn the_distributions_servers_have_the_versions_that_the_table_says() {
    let release = fs::read_to_string("/etc/os-release").unwrap();
    let is_the_tables = release.contains(DISTRIBUTION);
    let mut printed_a_version = 0;
    for (program, version) in TESTED.iter().filter_map(|server| server.packaged) {
        let text = printed(program).unwrap();
        let first = text.lines().next().unwrap_or_default();
        println!("{}: {first}", program.package);
        // Debian's VictoriaMetrics prints none.
        if !first.contains("version ") {
            continue;
        }
        printed_a_version += 1;
        let same = first.contains(&format!("version {version}"));
        assert!(same || !is_the_tables, "{first}, not {version}");
    }
    assert!(printed_a_version >= 4, "{printed_a_version}");
}

mod todays_servers_have_the_pinned_versions {
    use super::*;

    #[test]
    fn current() {
        Generation::Current.during(|| {
            for (program, module) in [
                (servers::PROMETHEUS, PROMETHEUS_MODULE),
                (servers::PROMTOOL, PROMETHEUS_MODULE),
                (servers::ALERTMANAGER, ALERTMANAGER_MODULE),
                (servers::AMTOOL, ALERTMANAGER_MODULE),
                (servers::VICTORIA_METRICS, VICTORIA_METRICS_MODULE),
                (servers::VMALERT, VICTORIA_METRICS_MODULE),
            ] {
                let text = printed(program).unwrap();
                let release = current::module(module).unwrap().release();
                let first = text.lines().next().unwrap_or_default();
                println!("{}: {first}", program.names[program.names.len() - 1]);
                // VictoriaMetrics prints nothing but the version.
                let is_pinned = first == release || first.contains(&format!("version {release} "));
                assert!(is_pinned, "{first}, not {release}");
            }
        });
    }
}
