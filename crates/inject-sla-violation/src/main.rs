//! The program `inject-sla-violation`; everything is in its library, which documents itself.

fn main() -> std::process::ExitCode {
    inject_sla_violation::main()
}
