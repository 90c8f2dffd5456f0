//! What a person should do next, in words that name the options.

use seamless_core::http::Remedy;

/// Words a remedy for `service` (`coordinator`, `Prometheus`). The options that it names are those of
/// [`crate::HttpArgs`], which every program has.
#[must_use]
pub fn remedy_words(remedy: Remedy, service: &str) -> String {
    match remedy {
        Remedy::CheckHostName => "check the host name in the URL, and DNS".to_owned(),
        Remedy::CheckPort => "is it running, and is the port right?".to_owned(),
        Remedy::TrustAuthority => {
            "give the authority's certificate with --ca-cert, or fix the server's certificate"
                .to_owned()
        }
        Remedy::CheckNetwork => "check the network path to it".to_owned(),
        Remedy::CheckServerLog => {
            format!("look at the log of the {service}, or of a proxy in between")
        }
        Remedy::CheckUrl => {
            format!("check that the URL leads to the {service} itself, path prefix included")
        }
        Remedy::CheckCredentials => {
            "check --bearer-token-file, --header or the URL's credentials".to_owned()
        }
        Remedy::RaiseTimeout => "the server is slow or hangs; --timeout waits longer".to_owned(),
        Remedy::RaiseDeadline => "--deadline allows more time".to_owned(),
        Remedy::LowerRate => format!("the {service} is limiting requests; try again later"),
        Remedy::NotOffered => {
            "this server does not offer it, or the URL lacks a path prefix".to_owned()
        }
        Remedy::CorrectQuery => "the server rejected the query: is it another Prometheus-compatible server, or an old version?".to_owned(),
        Remedy::ReportToOwners => format!("report this to the owners of the {service}"),
    }
}
