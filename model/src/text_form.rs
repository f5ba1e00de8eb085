//! Serde for types that are written as text.

/// Implements `TryFrom<String>` by `FromStr` and `From` for `String` by `Display`, as
/// `#[serde(try_from = "String", into = "String")]` needs them.
#[macro_export]
macro_rules! text_form {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = <Self as std::str::FromStr>::Err;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.to_string()
            }
        }
    };
}
