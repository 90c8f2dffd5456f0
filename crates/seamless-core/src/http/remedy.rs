//! What a person can do about a failed request. Typed here; the terminal layer words it.

/// What a person should do next. Worded by the program, which knows its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Check the host name in the URL, and DNS.
    CheckHostName,
    /// Check that the server runs, and the port.
    CheckPort,
    /// Trust the server's authority, or fix its certificate.
    TrustAuthority,
    /// Check the network path to it.
    CheckNetwork,
    /// Look at the server's log, or at a proxy between.
    CheckServerLog,
    /// Check that the URL leads to the service itself, path prefix included.
    CheckUrl,
    /// Check the credentials given for it.
    CheckCredentials,
    /// Wait longer for one response.
    RaiseTimeout,
    /// Give the run more time.
    RaiseDeadline,
    /// Send fewer requests per second.
    LowerRate,
    /// The server does not offer this, or the URL lacks a path prefix.
    NotOffered,
    /// Correct what was asked.
    CorrectQuery,
    /// Report it to the owners of the service.
    ReportToOwners,
}
