//! The setters of option structs.

/// Implements a setter for each listed field. It takes and returns the struct, so that calls chain.
///
/// `name: Type` takes a `Type`, and `name: into Type` takes whatever converts to it.
macro_rules! setters {
    ($options:ident { $($fields:tt)* }) => {
        impl $options {
            $crate::setters::setters! { @each $($fields)* }
        }
    };
    (@each) => {};
    (@each $field:ident: into $type:ty, $($rest:tt)*) => {
        $crate::setters::setters! { @one $field, impl Into<$type>, $field.into() }
        $crate::setters::setters! { @each $($rest)* }
    };
    (@each $field:ident: $type:ty, $($rest:tt)*) => {
        $crate::setters::setters! { @one $field, $type, $field }
        $crate::setters::setters! { @each $($rest)* }
    };
    (@one $field:ident, $type:ty, $value:expr) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](field@Self::", stringify!($field), ").")]
        #[must_use]
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = $value;
            self
        }
    };
}

pub(crate) use setters;
