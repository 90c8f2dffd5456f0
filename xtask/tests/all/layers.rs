//! The programs and the lab stand on the two libraries and on nothing else of ours, tests aside.

use cargo_metadata::{DependencyKind, MetadataCommand};

const PROGRAMS: [&str; 3] = [
    "inject-sla-violation",
    "lease-recover",
    "seamless-health-check",
];

#[test]
fn no_program_depends_on_another_or_ships_the_lab() {
    let metadata = MetadataCommand::new()
        .current_dir(xtask::root())
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .unwrap();
    let mut looked_at = 0;
    for package in &metadata.packages {
        let may: &[&str] = match package.name.as_str() {
            "seamless-core" => &[],
            "seamless-cli" => &["seamless-core"],
            "seamless-lab" => &["seamless-cli", "seamless-core"],
            name if PROGRAMS.contains(&name) => &["seamless-cli", "seamless-core"],
            _ => continue,
        };
        looked_at += 1;
        let shipped = package.dependencies.iter();
        for dependency in shipped.filter(|it| it.kind != DependencyKind::Development) {
            let name = dependency.name.as_str();
            let is_ours = metadata.packages.iter().any(|other| other.name == name);
            assert!(
                !is_ours || may.contains(&name),
                "{} may not depend on {name}",
                package.name
            );
        }
    }
    assert_eq!(looked_at, 6);
}
