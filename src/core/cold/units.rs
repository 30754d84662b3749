//! Durations and sizes in the configuration of a store, as text with a unit: for `#[serde(with = …)]`.

/// `"60s"`, `"1h 30m"`.
pub mod span {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes a duration so that reading it back is exact.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        if span.subsec_nanos() == 0 && span.as_secs() < 120 {
            return serializer.collect_str(&format_args!("{}s", span.as_secs()));
        }
        serializer.collect_str(&humantime::format_duration(*span))
    }

    /// Reads a duration; a number without a unit is a mistake.
    ///
    /// # Errors
    /// When the text is no duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map_err(|cause| {
            D::Error::custom(format!("\"{text}\" is not a duration with a unit such as \"60s\": {cause}"))
        })
    }
}

/// `"8 GiB"`, `"360 MB"`.
pub mod size {
    use std::str::FromStr;

    use bytesize::ByteSize;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    const BINARY: (u64, [&str; 7]) = (1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]);
    const DECIMAL: (u64, [&str; 7]) = (1000, ["B", "kB", "MB", "GB", "TB", "PB", "EB"]);

    /// Writes a number of bytes in the largest unit that gives a whole number, so that reading it back is exact.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(len_bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        let (binary, decimal) = (in_units(*len_bytes, BINARY), in_units(*len_bytes, DECIMAL));
        let (number, unit) = if decimal.0 < binary.0 { decimal } else { binary };
        serializer.collect_str(&format_args!("{number} {unit}"))
    }

    fn in_units(mut number: u64, (step, units): (u64, [&'static str; 7])) -> (u64, &'static str) {
        let mut name = "B";
        for larger in units.into_iter().skip(1) {
            if number == 0 || !number.is_multiple_of(step) {
                break;
            }
            number /= step;
            name = larger;
        }
        (number, name)
    }

    /// Reads a number of bytes; one without a unit is a mistake.
    ///
    /// # Errors
    /// When the text is no size.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mistake = || {
            D::Error::custom(format!("\"{text}\" is not a size with a unit such as \"8 GiB\" or \"500 MB\""))
        };
        if !text.ends_with(|last: char| last.is_ascii_alphabetic()) {
            return Err(mistake());
        }
        ByteSize::from_str(&text).map(|size| size.as_u64()).map_err(|_| mistake())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, StrDeserializer};

    fn text(text: &str) -> StrDeserializer<'_, Error> {
        text.into_deserializer()
    }

    #[test]
    fn numbers_without_a_unit_are_mistakes() {
        for number in ["60", "", "8 apples", "-1s"] {
            assert!(super::span::deserialize(text(number)).is_err(), "{number:?}");
            assert!(super::size::deserialize(text(number)).is_err(), "{number:?}");
        }
    }

    #[test]
    fn texts_with_a_unit_are_read_exactly() {
        assert_eq!(super::span::deserialize(text("1h 30m")).unwrap(), Duration::from_secs(5400));
        assert_eq!(super::size::deserialize(text("12 TB")).unwrap(), 12_000_000_000_000);
        assert_eq!(super::size::deserialize(text("8 GiB")).unwrap(), 8 << 30);
    }
}
