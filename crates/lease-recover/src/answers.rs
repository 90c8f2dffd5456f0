//! What each answer of a server comes to: the table of the reference, which the tests hold to the built
//! program.

/// Answers that come to the same outcome.
#[derive(Debug, Clone, Copy)]
pub struct AnswerClass {
    /// What the server does, in Markdown.
    pub what: &'static str,
    /// The outcome where the coordinator has not shown itself in this run.
    pub outcome: &'static str,
    /// The outcome where it has.
    pub proven: &'static str,
}

const fn answer(what: &'static str, outcome: &'static str, proven: &'static str) -> AnswerClass {
    AnswerClass {
        what,
        outcome,
        proven,
    }
}

/// Every answer to `POST …/leases/fail` and `POST …/leases/complete`.
pub const ANSWERS: [AnswerClass; 13] = [
    answer(
        "2xx, a JSON object with `completion_ratio` from 0 to 1",
        "released",
        "released",
    ),
    answer(
        "2xx, an empty body or any other JSON",
        "unknown",
        "released",
    ),
    answer(
        "2xx, a JSON object with an `error` or `errors`, whose `ok`, `success` or `released` is false, or whose `status`, `state` or `result` is an error",
        "failed",
        "failed",
    ),
    answer(
        "2xx, a JSON object with the `key` of another lease",
        "unknown",
        "unknown",
    ),
    answer("2xx, cut off or endless", "unknown", "unknown"),
    answer("2xx, a web page or other text", "failed", "failed"),
    answer("3xx", "failed", "failed"),
    answer("404", "unknown", "already_released"),
    answer("409", "conflict", "conflict"),
    answer("404 or 409 with a web page or XML", "failed", "failed"),
    answer(
        "any other status; 429, 502, 503 and 504 after three repetitions",
        "failed",
        "failed",
    ),
    answer(
        "none, and the request may have arrived: no answer in time, the connection closed",
        "unknown",
        "unknown",
    ),
    answer(
        "none, and it cannot have arrived: connection refused, unknown name, TLS; or an answer that is not HTTP",
        "failed",
        "failed",
    ),
];
