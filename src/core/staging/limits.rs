//! What each owner may have: recalls under way, pinned bytes, open requests, money for a day.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{Owner, StagingSettings};
use crate::{Error, Result};

/// Millionths of a unit of money.
const MICROS: u64 = 1_000_000;

/// A sum of money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    /// In millionths of the currency.
    pub micros: u64,
    /// The currency; `None` for any, each counted for itself.
    pub currency: Option<Arc<str>>,
}

impl FromStr for Amount {
    type Err = Error;

    /// A sum as it is written: `25 EUR`, `12.50 USD`, `25`.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::invalid_input(format!("{text:?} is no sum of money such as \"25 USD\""));
        let mut words = text.split_whitespace();
        let (number, currency) = (words.next().ok_or_else(wrong)?, words.next());
        let is_currency =
            |word: &str| word.len() <= 8 && word.bytes().all(|letter| letter.is_ascii_alphabetic());
        if words.next().is_some() || !currency.is_none_or(is_currency) {
            return Err(wrong());
        }
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let is_digits = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
        if whole.is_empty() || part.len() > 6 || !is_digits(whole) || !is_digits(part) {
            return Err(wrong());
        }
        let whole: u64 = whole.parse().map_err(|_| wrong())?;
        let part: u64 = format!("{part:0<6}").parse().map_err(|_| wrong())?;
        let micros =
            whole.checked_mul(MICROS).and_then(|micros| micros.checked_add(part)).ok_or_else(wrong)?;
        Ok(Self { micros, currency: currency.map(Into::into) })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.micros / MICROS)?;
        if !self.micros.is_multiple_of(MICROS) {
            let part = format!("{:06}", self.micros % MICROS);
            // Cents are two digits, also those that end with a zero.
            let shown = part.trim_end_matches('0').len().max(2);
            write!(f, ".{}", part.get(..shown).unwrap_or(&part))?;
        }
        match &self.currency {
            Some(currency) => write!(f, " {currency}"),
            None => Ok(()),
        }
    }
}

/// What an owner may have; `None` where there is no limit of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnerLimits {
    /// Recalls under way at the same time.
    pub max_active: Option<usize>,
    /// Bytes that its requests wait for or pin.
    pub max_pinned_bytes: Option<u64>,
    /// Requests that have not ended.
    pub max_requests: Option<u64>,
    /// What its recalls may cost on one day (UTC).
    pub max_cost_per_day: Option<Amount>,
}

impl OwnerLimits {
    /// True if what is asked for has to be looked at before it is accepted.
    pub(super) fn asks_stores(&self) -> bool {
        self.max_pinned_bytes.is_some() || self.max_cost_per_day.is_some()
    }
}

impl StagingSettings {
    /// The limits of an owner: its own, else those of everybody.
    pub(super) fn limits_of(&self, owner: &Owner) -> OwnerLimits {
        let own = self.owner_limits.iter().find(|(name, _)| name == owner).map(|(_, limits)| limits.clone());
        let (own, usual) = (own.unwrap_or_default(), self.limits.clone());
        OwnerLimits {
            max_active: own.max_active.or(usual.max_active),
            max_pinned_bytes: own.max_pinned_bytes.or(usual.max_pinned_bytes),
            max_requests: own.max_requests.or(usual.max_requests),
            max_cost_per_day: own.max_cost_per_day.or(usual.max_cost_per_day),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_and_written_exactly() {
        for (text, micros, written) in [
            ("25 EUR", 25_000_000, "25 EUR"),
            ("12.5 USD", 12_500_000, "12.50 USD"),
            ("0.000001", 1, "0.000001"),
            ("3", 3_000_000, "3"),
        ] {
            let amount: Amount = text.parse().unwrap();
            assert_eq!((amount.micros, amount.to_string().as_str()), (micros, written));
            assert_eq!(written.parse::<Amount>().unwrap(), amount);
        }
        for wrong in
            ["", "EUR", "-1 EUR", "1,5 EUR", "1 EUR a day", "1.0000001", "1e3", "99999999999999999999", "1 €"]
        {
            assert!(wrong.parse::<Amount>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_owner_has_its_own_limits_and_those_of_everybody_where_it_has_none() {
        let ada = Owner("token:ada".into());
        let settings = StagingSettings {
            limits: OwnerLimits { max_requests: Some(10), max_active: Some(5), ..OwnerLimits::default() },
            owner_limits: vec![(ada.clone(), OwnerLimits { max_active: Some(50), ..OwnerLimits::default() })],
            ..StagingSettings::default()
        };
        let limits = settings.limits_of(&ada);
        assert_eq!((limits.max_active, limits.max_requests), (Some(50), Some(10)));
        assert_eq!(settings.limits_of(&Owner::anonymous()).max_active, Some(5));
    }
}
