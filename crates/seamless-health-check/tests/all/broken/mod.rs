//! Deployments with one thing wrong, and the check that names it. The faults are in place in real
//! servers wherever those can have them. Each test has a table beside it, which is what it expects;
//! `KEPT_TABLES=write` writes it anew.
//!
//! Every check is there but `environment/endpoints`: it lists the endpoints in use, and one that cannot
//! be used is a usage error before any check runs.

mod expositions;
mod paging;
mod scraping;
mod services;
pub(crate) mod site;
pub(crate) mod table;
