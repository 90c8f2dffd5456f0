//! The labels of a series, kept small: an answer may hold a million of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// The labels of a series, its name under `__name__`, in the order of their names.
///
/// All names and values stand in one text, one after the other, so that a series costs two allocations
/// whatever the number of its labels.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Labels {
    text: Box<str>,
    /// Where each name and each value ends.
    ends: Box<[usize]>,
}

impl Labels {
    /// The value of a label. An absent label is the empty one, as Prometheus has it.
    #[must_use]
    pub fn get(&self, label: &str) -> &str {
        let found = self.iter().find(|(name, _)| *name == label);
        found.map_or("", |(_, value)| value)
    }

    /// The name of the series, empty if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.get("__name__")
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        let mut next = move |end: usize| {
            let part = self.text.get(start..end).unwrap_or_default();
            start = end;
            part
        };
        let pairs = self.ends.chunks_exact(2);
        pairs.map(move |ends| (next(ends[0]), next(ends[1])))
    }
}

impl From<&Labels> for BTreeMap<String, String> {
    fn from(labels: &Labels) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        labels.iter().map(owned).collect()
    }
}

impl PartialEq<BTreeMap<String, String>> for Labels {
    fn eq(&self, other: &BTreeMap<String, String>) -> bool {
        let other = other.iter();
        self.iter()
            .eq(other.map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

impl<'l> FromIterator<(&'l str, &'l str)> for Labels {
    /// Labels from pairs in any order; of a name that comes twice, the last stands.
    fn from_iter<I: IntoIterator<Item = (&'l str, &'l str)>>(pairs: I) -> Self {
        let sorted: BTreeMap<&str, &str> = pairs.into_iter().collect();
        let mut gathered = Gathered::new();
        for (name, value) in sorted {
            gathered.push(name);
            gathered.push(value);
        }
        gathered.labels()
    }
}

/// Labels that are being read.
struct Gathered {
    text: String,
    ends: Vec<usize>,
}

impl Gathered {
    /// With room for what most series carry: growing would cost more than cutting to size in the end.
    fn new() -> Self {
        Self {
            text: String::with_capacity(256),
            ends: Vec::with_capacity(16),
        }
    }

    fn push(&mut self, part: &str) {
        self.text.push_str(part);
        self.ends.push(self.text.len());
    }

    fn labels(self) -> Labels {
        Labels {
            text: self.text.into(),
            ends: self.ends.into(),
        }
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("labels")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Labels, A::Error> {
        let mut gathered = Gathered::new();
        let mut sorted = true;
        let mut last = 0..0;
        while let Some(BorrowedStr(name)) = members.next_key()? {
            let BorrowedStr(value) = members.next_value()?;
            // Servers write them in order; an answer that does not is sorted below.
            let before = gathered.text.get(last).unwrap_or_default();
            sorted &= gathered.ends.is_empty() || before < &*name;
            last = gathered.text.len()..gathered.text.len() + name.len();
            gathered.push(&name);
            gathered.push(&value);
        }
        let labels = gathered.labels();
        Ok(if sorted {
            labels
        } else {
            labels.iter().collect()
        })
    }
}

/// A text of the answer, borrowed from it unless it holds escapes: a plain `Cow` would always be a copy.
#[derive(Deserialize)]
pub(super) struct BorrowedStr<'t>(#[serde(borrow)] pub(super) Cow<'t, str>);

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        f.write_str("{")?;
        let labels = self.iter().filter(|(label, _)| *label != "__name__");
        for (index, (label, value)) in labels.enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{label}={}", super::quote(value))?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_show_as_a_selector() {
        let labels: Labels = serde_json::from_str(r#"{"__name__":"up","job":"a\"b"}"#).unwrap();
        assert_eq!(labels.to_string(), r#"up{job="a\"b"}"#);
    }

    #[test]
    fn whatever_the_order_of_an_answer_the_labels_are_the_same() {
        let read = |text: &str| serde_json::from_str::<Labels>(text).unwrap();
        let sorted = read(r#"{"__name__":"up","empty":"","job":"a","node":"\u0000é"}"#);
        let shuffled = read(r#"{"node":"\u0000é","job":"a","__name__":"up","empty":""}"#);
        assert_eq!(sorted, shuffled);
        assert_eq!((sorted.name(), sorted.get("job")), ("up", "a"));
        assert_eq!((sorted.get("node"), sorted.get("jo")), ("\0é", ""));
        let names: Vec<&str> = sorted.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["__name__", "empty", "job", "node"]);
        assert_eq!(read(r#"{"a":"1","a":"2"}"#).get("a"), "2");
        assert_eq!(read("{}"), Labels::default());
        assert!(serde_json::from_str::<Labels>(r#"{"a":1}"#).is_err());
    }

    #[test]
    fn labels_are_written_as_they_were_read() {
        let text = r#"{"__name__":"up","job":"a\"b"}"#;
        let labels: Labels = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&labels).unwrap(), text);
    }
}
