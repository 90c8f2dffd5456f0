use super::*;

const CLAIMED: &str = "seamless.backfill.coordinator_claimed";
const KEY: &str = "nodeB:60:1700:1760:world 2:2024-01-01T00:00:00Z";

fn read(line: &str) -> Record {
    Record::read(line.as_bytes()).unwrap()
}

#[test]
fn an_event_is_read_in_every_form() {
    let json = format!(r#""lease_key": "{KEY}", "lease_token": "1e5""#);
    for line in [
        format!(r#"{{"levelname": "INFO", "message": "{CLAIMED}", {json}}}"#),
        format!(r#"{{"event": "{CLAIMED}", "level": "info", {json}}}"#),
        format!(r#"{{"level": "INFO", "msg": "{CLAIMED}", "extra": {{{json}}}}}"#),
        format!(
            r#"{{"text": "x", "record": {{"message": "{CLAIMED}", "level": {{"name": "INFO"}}, "extra": {{{json}}}}}}}"#
        ),
        format!("2024-01-01 00:00:00,000 INFO root: {CLAIMED} {{{json}}}"),
        format!("{:?}", "x").replace("\"x\"", &format!("[info ] {CLAIMED} {{{json}}} and more")),
        format!(r#"at=INFO msg={CLAIMED} lease_key="{KEY}" lease_token=1e5"#),
        format!("level='info' event='{CLAIMED}' lease_key='{KEY}' lease_token='1e5'"),
        format!("lease_key=\"{KEY}\" lease_token=1e5 event={CLAIMED} level=info"),
        format!(
            "\u{1b}[2m2024\u{1b}[0m [\u{1b}[32m\u{1b}[1minfo     \u{1b}[0m] \u{1b}[1m{CLAIMED}\u{1b}[0m \u{1b}[36mlease_key\u{1b}[0m=\u{1b}[35m'{KEY}'\u{1b}[0m \u{1b}[36mlease_token\u{1b}[0m=\u{1b}[35m1e5\u{1b}[0m"
        ),
        serde_json::json!({"log": format!("INFO {CLAIMED} {{{json}}}\n"), "stream": "stderr"})
            .to_string(),
    ] {
        let record = read(&line);
        assert_eq!(record.event.as_deref(), Some(CLAIMED), "{line}");
        assert_eq!(record.level.as_deref(), Some("INFO"), "{line}");
        assert_eq!(record.fields["lease_key"], KEY, "{line}");
        assert_eq!(record.fields["lease_token"], "1e5", "{line}");
        assert!(!record.lost_its_fields(), "{line}");
    }
}

#[test]
fn what_only_speaks_of_an_event_is_none() {
    for line in [
        "hello".to_owned(),
        String::new(),
        format!("x{CLAIMED} y=1"),
        format!(r#"{{"event": "x", "note": "see {CLAIMED}"}}"#),
        format!("level=info note={CLAIMED} x=1"),
        format!("grep \"{CLAIMED}\" found nothing"),
    ] {
        assert_eq!(read(&line).event, None, "{line}");
    }
}

#[test]
fn fields_that_the_formatter_dropped_are_known_to_be_missing() {
    for line in [
        format!("INFO:qmtl.runtime.sdk.backfill_coordinator:{CLAIMED}"),
        format!(r#"{{"levelname": "INFO", "name": "x", "message": "{CLAIMED}"}}"#),
        format!("at=INFO logger=x msg={CLAIMED}"),
    ] {
        assert!(read(&line).lost_its_fields(), "{line}");
    }
}

#[test]
fn json_that_cannot_be_read_says_whether_it_matters() {
    let broken = |line: &str| match Record::read(line.as_bytes()) {
        Err(RecordError::Json {
            cut_off,
            names_an_event,
            ..
        }) => (cut_off, names_an_event),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(broken("{not json"), (false, false));
    assert_eq!(broken(r#"{"a": "#), (true, false));
    assert_eq!(broken(&format!(r#"{{"event":"{CLAIMED}","#)), (true, true));
    let trailing = Record::read(format!("INFO {CLAIMED} {{\"lease_key\": ").as_bytes());
    assert!(matches!(trailing, Err(RecordError::Trailing(_))));
    assert_eq!(read("\u{fffd}\u{1b}[1").event, None);
}

#[test]
fn a_packed_log_is_unpacked() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    io::Write::write_all(&mut packed, b"one\ntwo\n").unwrap();
    let packed = packed.finish().unwrap();
    for (bytes, expected) in [
        (packed, "one\ntwo\n"),
        (b"plain".to_vec(), "plain"),
        (Vec::new(), ""),
    ] {
        let mut text = String::new();
        unpacked(io::Cursor::new(bytes))
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, expected);
    }
}
