//! The program `seamless-health-check`; everything is in its library, which documents itself.

fn main() -> std::process::ExitCode {
    seamless_health_check::main()
}
