//! Optional fields of JSON.

use serde::{Deserialize, Deserializer};

/// Deserializes a field that is present. If the field may be `null`, `T` is itself an option, which distinguishes an
/// absent field from `null`. Otherwise, `null` is rejected.
pub(crate) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
