//! Which format a scraper gets, by its `Accept` header.
//!
//! Scrapers of Prometheus 2 name versions and a preference; those of Prometheus 3 also how names are to be
//! escaped, know the text format 1.0.0, and fail a scrape whose `Content-Type` is missing or unknown to them.
//! Specification: <https://prometheus.io/docs/instrumenting/content_negotiation/>.

use seamless_core::exposition::Format;

use super::protobuf;

/// A format, and the `Content-Type` that tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Negotiated {
    /// A text format; none is protobuf.
    pub(super) format: Option<Format>,
    pub(super) content_type: String,
}

/// Ways of escaping names, of which ours need none: all of them are right.
const ESCAPING: [&str; 4] = ["allow-utf-8", "underscores", "dots", "values"];

/// One media range of an `Accept` header.
struct MediaRange<'h> {
    media: String,
    quality: f64,
    version: Option<&'h str>,
    escaping: Option<&'h str>,
    /// The protobuf message and its framing.
    proto: Option<&'h str>,
    encoding: Option<&'h str>,
}

impl<'h> MediaRange<'h> {
    fn read(text: &'h str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self {
            media: parts.next().unwrap_or_default().to_ascii_lowercase(),
            quality: 1.0,
            version: None,
            escaping: None,
            proto: None,
            encoding: None,
        };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim() {
                "q" => range.quality = value.trim().parse().unwrap_or(0.0),
                "version" => range.version = Some(value.trim()),
                "proto" => range.proto = Some(value.trim()),
                "encoding" => range.encoding = Some(value.trim()),
                "escaping" => range.escaping = Some(value.trim()),
                _ => {}
            }
        }
        range
    }

    /// What this range asks for, and how good that is among equally wanted ones.
    fn offer(&self, protobuf: bool) -> Option<(u8, Negotiated)> {
        let is_protobuf = self.media == "application/vnd.google.protobuf"
            && self.proto == Some("io.prometheus.client.MetricFamily")
            && self.encoding == Some("delimited");
        if is_protobuf && protobuf {
            return Some((
                4,
                Negotiated {
                    format: None,
                    content_type: protobuf::CONTENT_TYPE.to_owned(),
                },
            ));
        }
        let (rank, format, content_type) = match (&*self.media, self.version) {
            ("application/openmetrics-text", None | Some("1.0.0")) => {
                (3, Format::OpenMetrics, Format::OpenMetrics.content_type())
            }
            ("text/plain", Some("1.0.0")) => {
                (2, Format::Text, "text/plain; version=1.0.0; charset=utf-8")
            }
            ("text/plain", None | Some("0.0.4")) | ("text/*" | "*/*", _) => {
                (1, Format::Text, Format::Text.content_type())
            }
            _ => return None,
        };
        let escaping = self
            .escaping
            .filter(|escaping| rank > 1 && ESCAPING.contains(escaping));
        let content_type = match escaping {
            Some(escaping) => format!("{content_type}; escaping={escaping}"),
            None => content_type.to_owned(),
        };
        let negotiated = Negotiated {
            format: Some(format),
            content_type,
        };
        Some((rank, negotiated))
    }
}

/// The format that the scraper likes best; the text format where it says nothing that is understood. Protobuf
/// only where there are native histograms, which no other format has.
pub(super) fn negotiate(accept: &str, protobuf: bool) -> Negotiated {
    accept
        .split(',')
        .map(MediaRange::read)
        .filter(|range| range.quality > 0.0)
        .filter_map(|range| Some((range.quality, range.offer(protobuf)?)))
        .max_by(|(quality, (rank, _)), (other, (than, _))| {
            quality.total_cmp(other).then(rank.cmp(than))
        })
        .map_or_else(
            || Negotiated {
                format: Some(Format::Text),
                content_type: Format::Text.content_type().to_owned(),
            },
            |(_, (_, negotiated))| negotiated,
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protobuf_is_for_native_histograms() {
        let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
            text/plain;version=0.0.4;q=0.3";
        assert_eq!(negotiate(accept, true).format, None);
        assert_eq!(negotiate(accept, false).format, Some(Format::Text));
        assert_eq!(negotiate("text/plain", true).format, Some(Format::Text));
    }

    #[test]
    fn each_generation_gets_what_it_asks_for() {
        let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let text = "text/plain; version=0.0.4; charset=utf-8";
        for (accept, content_type) in [
            // Prometheus 2.42.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                open.to_owned(),
            ),
            // Prometheus 3, without and with protobuf first.
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                 text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                format!("{open}; escaping=allow-utf-8"),
            ),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
                 application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,text/plain;version=0.0.4;q=0.3",
                format!("{open}; escaping=underscores"),
            ),
            // Its setting `scrape_protocols: [PrometheusText1.0.0]`.
            (
                "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,*/*;q=0.5",
                "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8".to_owned(),
            ),
            ("application/openmetrics-text", open.to_owned()),
            (
                "application/openmetrics-text; version=1.0.0; q=0.4, text/plain; q=0.9",
                text.to_owned(),
            ),
            (
                "application/openmetrics-text;version=0.0.1",
                text.to_owned(),
            ),
            ("application/openmetrics-text;q=0", text.to_owned()),
            (
                "text/plain;version=1.0.0;escaping=<script>",
                "text/plain; version=1.0.0; charset=utf-8".to_owned(),
            ),
            ("text/plain;version=0.0.4", text.to_owned()),
            ("*/*", text.to_owned()),
            ("", text.to_owned()),
        ] {
            assert_eq!(
                negotiate(accept, false).content_type,
                content_type,
                "{accept}"
            );
        }
    }
}
