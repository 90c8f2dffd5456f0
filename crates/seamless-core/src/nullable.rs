//! Empty lists and maps, as programs written in Go write and read them.

use serde::de::{Deserialize as _, DeserializeOwned, Deserializer};

/// Reads what is not there, or `null`, as a value's default.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Default + DeserializeOwned>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}
