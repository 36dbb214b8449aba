//! Fields of JSON that may be left out.

use serde::{Deserialize, Deserializer};

/// A field that is there. Where it may be `null`, `T` is an option of its own, and absent is told from `null`; where not, `null` is refused.
pub(crate) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
