//! Deployments with one thing wrong, and the check that names it. The faults are in place in real
//! servers wherever those can have them. The table beside this file is what the test expects;
//! `KEPT_TABLES=write` writes it anew.
//!
//! Every check is there but `environment/endpoints`: it lists the endpoints in use, and one that cannot
//! be used is a usage error before any check runs.

mod expositions;
mod paging;
mod scraping;
mod services;
mod site;
pub(crate) mod table;

use std::path::Path;

use site::SoundSite;

#[test]
fn every_fault_is_named() {
    let site = SoundSite::start();
    let rows = table::play(&[
        &|| services::environment(&site),
        &|| services::coordinators(&site),
        &|| services::prometheuses(&site),
        &|| scraping::metrics(&site),
        &|| scraping::ages(&site),
        &|| scraping::shapes(&site),
        &|| scraping::targets(&site),
        &|| paging::rules(&site),
        &|| paging::evaluation(&site),
        &|| paging::buckets_of_the_histogram(&site),
        &|| paging::ranges(&site),
        &|| paging::ways_to_a_person(&site),
        &|| services::slow_storage(&site),
        &|| expositions::files(&site),
    ]);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/broken_deployments.md");
    table::check(&rows, &path);
}
