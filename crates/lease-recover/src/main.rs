//! Fails or completes stuck backfill leases.

fn main() -> std::process::ExitCode {
    lease_recover::main()
}
