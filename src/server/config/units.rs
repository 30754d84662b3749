//! Values with units: durations, sizes, networks. Written as text, read once.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thermocline_core::access::network;
use thermocline_core::staging::Amount;

/// A duration with its unit: `"60s"`, `"1h 30m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

impl Span {
    /// A duration of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        humantime::parse_duration(&text)
            .map(Self)
            .map_err(|cause| format!("\"{text}\" is not a duration with a unit such as \"60s\": {cause}"))
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Half a minute more than a round one is easier read in seconds: "90s", not "1m 30s".
        if self.0.subsec_nanos() == 0 && self.0.as_secs() < 120 {
            return write!(f, "{}s", self.0.as_secs());
        }
        humantime::format_duration(self.0).fmt(f)
    }
}

/// A number of bytes with its unit: `"8 GiB"`, `"500 MB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Size(pub u64);

impl Size {
    /// Mebibytes.
    pub const fn mebibytes(n: u64) -> Self {
        Self(n << 20)
    }

    /// The number as `usize`; the largest one if it does not fit.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mistake = || format!("\"{text}\" is not a size with a unit such as \"8 GiB\" or \"500 MB\"");
        if !text.ends_with(|last: char| last.is_ascii_alphabetic()) {
            return Err(mistake());
        }
        ByteSize::from_str(&text).map(|size| Self(size.as_u64())).map_err(|_| mistake())
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

impl fmt::Display for Size {
    /// The largest unit that gives a whole number, so that reading it back is exact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let mut number = self.0;
        let mut unit = units[0];
        for larger in &units[1..] {
            if number == 0 || !number.is_multiple_of(1024) {
                break;
            }
            number /= 1024;
            unit = larger;
        }
        write!(f, "{number} {unit}")
    }
}

/// A sum of money with its currency: `"25 USD"`; or a number, which holds for each currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenMoney", into = "String")]
#[schemars(with = "String")]
pub struct Money(pub Amount);

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenMoney {
    Text(String),
    Whole(u64),
    Number(f64),
}

impl TryFrom<WrittenMoney> for Money {
    type Error = String;

    fn try_from(written: WrittenMoney) -> Result<Self, Self::Error> {
        let text = match written {
            WrittenMoney::Text(text) => text,
            WrittenMoney::Whole(number) => number.to_string(),
            WrittenMoney::Number(number) => number.to_string(),
        };
        text.parse().map(Self).map_err(|cause: thermocline_core::Error| cause.message().to_owned())
    }
}

impl From<Money> for String {
    fn from(money: Money) -> Self {
        money.0.to_string()
    }
}

/// A network as CIDR, or one address: `"10.0.0.0/8"`, `"::1"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Network(pub IpNet);

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        network(&text)
            .map(Self)
            .ok_or_else(|| format!("\"{text}\" is neither a network such as \"10.0.0.0/8\" nor an address"))
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn networks_and_single_addresses_are_understood() {
        let contains = |network: &str, ip: &str| {
            Network::try_from(network.to_owned()).unwrap().0.contains(&ip.parse::<IpAddr>().unwrap())
        };
        assert!(contains("127.0.0.0/8", "127.3.2.1"));
        assert!(!contains("127.0.0.0/8", "128.0.0.1"));
        assert!(contains("::1", "::1"));
        assert!(contains("10.1.2.3", "10.1.2.3"));
        Network::try_from("localhost".to_owned()).unwrap_err();
    }

    #[test]
    fn sizes_read_back_as_they_were_written() {
        for (text, bytes) in [("8 GiB", 8 << 30), ("500 MB", 500_000_000), ("1 B", 1), ("64KiB", 64 << 10)] {
            let size = Size::try_from(text.to_owned()).unwrap();
            assert_eq!(size.0, bytes, "{text}");
            assert_eq!(Size::try_from(size.to_string()).unwrap(), size, "{text}");
        }
        assert_eq!(Size(8 << 30).to_string(), "8 GiB");
    }

    #[test]
    fn a_number_without_a_unit_is_a_mistake() {
        assert!(Size::try_from("100".to_owned()).is_err());
        assert!(Size::try_from("8 apples".to_owned()).is_err());
        assert!(Span::try_from("60".to_owned()).is_err());
    }

    #[test]
    fn durations_read_back_as_they_were_written() {
        for text in ["60s", "2s", "90s", "1h", "1day 6h", "500ms", "0s"] {
            assert_eq!(Span::try_from(text.to_owned()).unwrap().to_string(), text);
        }
    }

    #[test]
    fn one_address_is_a_network_of_one() {
        assert_eq!(String::from(Network::try_from("::1".to_owned()).unwrap()), "::1/128");
        assert!(Network::try_from("10.0.0.0/33".to_owned()).is_err());
    }
}
