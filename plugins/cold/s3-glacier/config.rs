//! The own keys of the store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thermocline_core::cold::units::span;
use thermocline_core::cold::{Cost, Priced};
use thermocline_core::{Error, Result};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How fast, and at which price, an object is restored.
///
/// # Source
/// Amazon S3 API Reference, `GlacierJobParameters`, `Tier`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
pub enum Tier {
    /// Hours: 5 to 12 from Glacier, up to 48 from Deep Archive.
    Bulk,
    /// Hours: 3 to 5 from Glacier, up to 12 from Deep Archive.
    #[default]
    Standard,
    /// Minutes, if there is capacity; not from Deep Archive.
    Expedited,
}

impl Tier {
    /// The word of the protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bulk => "Bulk",
            Self::Standard => "Standard",
            Self::Expedited => "Expedited",
        }
    }

    /// How long a restore from Glacier Flexible Retrieval takes at most, as a rule; from Deep Archive up to four times that.
    ///
    /// # Source
    /// Amazon S3 User Guide, "Understanding archive retrieval options".
    pub(crate) fn usual_time(self) -> Duration {
        match self {
            Self::Bulk => Duration::from_secs(12 * 3600),
            Self::Standard => Duration::from_secs(5 * 3600),
            Self::Expedited => Duration::from_secs(5 * 60),
        }
    }

    /// The next slower one, for when this one is refused.
    pub(crate) fn slower(self) -> Option<Self> {
        match self {
            Self::Expedited => Some(Self::Standard),
            Self::Standard => Some(Self::Bulk),
            Self::Bulk => None,
        }
    }
}

/// What restores of one tier cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Price {
    /// For each GB (1,000,000,000 bytes).
    pub per_gb: f64,
    /// For each 1,000 requests; each object is one.
    pub per_1000_requests: f64,
}

/// The own keys of the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GlacierConfig {
    /// How objects are restored: "Bulk", "Standard" or "Expedited".
    pub tier: Tier,
    /// How they are restored while somebody waits for them. Without it as all others: faster ways cost more.
    #[schemars(example = Tier::Expedited)]
    pub interactive_tier: Option<Tier>,
    /// Least days for which a restored copy is kept; it is kept for as long as it is wanted, in whole days.
    pub min_days: u32,
    /// What restores cost, by tier: for each GB (1,000,000,000 bytes), and for each 1,000 requests, of which each object is
    /// one. Without it nothing is said of prices.
    #[schemars(example = BTreeMap::from([(Tier::Standard, Price { per_gb: 0.01, per_1000_requests: 0.05 })]))]
    pub prices: BTreeMap<Tier, Price>,
    /// Currency of the prices.
    pub currency: String,
    /// Most requests to the store in a second; the store may ask for fewer at any time.
    pub requests_per_second: f64,
    /// Most requests at the same time.
    pub connections: usize,
    /// First look at a restore, and how soon a change is noticed at best.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub poll_every: Duration,
    /// Longest time between two looks at a restore. In between it is an eighth of its age.
    #[serde(with = "span")]
    #[schemars(with = "String")]
    pub poll_max: Duration,
    /// From how many objects of a bucket on they are listed rather than looked at one by one.
    pub list_after: usize,
    /// Most batches under way. What readers wait for comes in small ones: each of them is one for hours.
    pub batches_at_once: usize,
    /// Most objects in one batch.
    pub batch_objects: usize,
    /// Most objects under way.
    pub max_objects: usize,
}

impl Default for GlacierConfig {
    fn default() -> Self {
        Self {
            tier: Tier::Standard,
            interactive_tier: None,
            min_days: 1,
            prices: BTreeMap::new(),
            currency: "USD".to_owned(),
            requests_per_second: 200.0,
            connections: 16,
            poll_every: Duration::from_secs(30),
            poll_max: Duration::from_secs(15 * 60),
            list_after: 500,
            batches_at_once: 5000,
            batch_objects: 1000,
            max_objects: 1_000_000,
        }
    }
}

impl GlacierConfig {
    /// # Errors
    /// [`thermocline_core::ErrorKind::InvalidInput`] for keys that make no sense.
    pub(crate) fn check(&self) -> Result<()> {
        let positive = [
            ("connections", self.connections),
            ("list_after", self.list_after),
            ("batches_at_once", self.batches_at_once),
            ("batch_objects", self.batch_objects),
            ("max_objects", self.max_objects),
        ];
        if let Some((key, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(Error::invalid_input(format!("{key} is 0, at least 1 is needed")));
        }
        if !(0.1..=100_000.0).contains(&self.requests_per_second) {
            let message =
                format!("requests_per_second is {}, allowed are 0.1 to 100000", self.requests_per_second);
            return Err(Error::invalid_input(message));
        }
        if self.poll_every.is_zero() || self.poll_every > self.poll_max {
            return Err(Error::invalid_input("poll_every has to lie above 0s and not above poll_max"));
        }
        if !(1..=36_500).contains(&self.min_days) {
            return Err(Error::invalid_input(format!(
                "min_days is {}, allowed are 1 to 36500",
                self.min_days
            )));
        }
        if self.interactive_tier.is_some_and(|tier| tier < self.tier) {
            return Err(Error::invalid_input("interactive_tier is slower than tier"));
        }
        self.check_prices()
    }

    fn check_prices(&self) -> Result<()> {
        for (tier, price) in &self.prices {
            let numbers = [("per_gb", price.per_gb), ("per_1000_requests", price.per_1000_requests)];
            if let Some((key, value)) =
                numbers.into_iter().find(|(_, value)| !(0.0..=1_000_000.0).contains(value))
            {
                let tier = tier.as_str();
                let message = format!("prices.{tier}.{key} is {value}, allowed are 0 to 1000000");
                return Err(Error::invalid_input(message));
            }
        }
        let used = [Some(self.tier), self.interactive_tier];
        match used.into_iter().flatten().find(|tier| !self.prices.contains_key(tier)) {
            Some(tier) if !self.prices.is_empty() => Err(Error::invalid_input(format!(
                "prices has no {}, by which objects are restored: their price would count as nothing",
                tier.as_str()
            ))),
            _ => Ok(()),
        }
    }

    /// By which way an object comes.
    pub(crate) fn tier_for(&self, is_interactive: bool) -> Tier {
        self.interactive_tier.filter(|_| is_interactive).unwrap_or(self.tier)
    }

    /// For how many days a copy is asked for that is wanted for `lifetime`.
    pub(crate) fn days(&self, lifetime: Duration) -> u32 {
        days_of(lifetime).max(self.min_days)
    }

    /// What recalls cost at most: what comes by a slower way in the end costs less.
    pub(crate) fn cost(&self, recalls: &[Priced]) -> Option<Cost> {
        if self.prices.is_empty() {
            return None;
        }
        let mut nanos: u128 = 0;
        for tier in [Tier::Bulk, Tier::Standard, Tier::Expedited] {
            let Some(price) = self.prices.get(&tier) else { continue };
            let of_tier = || recalls.iter().filter(|recall| self.tier_for(recall.is_interactive) == tier);
            let len_bytes: u128 = of_tier().map(|recall| u128::from(recall.len_bytes)).sum();
            nanos += (len_bytes * nanos_of(price.per_gb)).div_ceil(1_000_000_000);
            nanos += (of_tier().count() as u128 * nanos_of(price.per_1000_requests)).div_ceil(1000);
        }
        let is_used =
            |tier: &Tier| recalls.iter().any(|recall| self.tier_for(recall.is_interactive) == *tier);
        let used: Vec<&str> = [Tier::Bulk, Tier::Standard, Tier::Expedited]
            .iter()
            .filter(|tier| is_used(tier))
            .map(|tier| tier.as_str())
            .collect();
        let tier = if used.is_empty() { self.tier.as_str().to_owned() } else { used.join(" and ") };
        Some(Cost {
            micros: u64::try_from(nanos.div_ceil(1000)).unwrap_or(u64::MAX),
            currency: Arc::from(self.currency.as_str()),
            tier: tier.into(),
        })
    }
}

/// An amount in thousand millionths of the currency. Amounts were checked to be at least 0 and small.
fn nanos_of(amount: f64) -> u128 {
    (amount * 1e9).round() as u128
}

/// Whole days that hold a time, at least one.
pub(crate) fn days_of(lifetime: Duration) -> u32 {
    let days = lifetime.as_nanos().div_ceil(DAY.as_nanos()).max(1);
    u32::try_from(days).unwrap_or(u32::MAX).min(36_500)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> GlacierConfig {
        toml::from_str(text).unwrap()
    }

    fn priced() -> GlacierConfig {
        config(
            "tier = 'Bulk'\ninteractive_tier = 'Expedited'\ncurrency = 'EUR'\n\
             [prices.Bulk]\nper_gb = 0.0025\nper_1000_requests = 0.025\n\
             [prices.Expedited]\nper_gb = 0.03\nper_1000_requests = 10",
        )
    }

    #[test]
    fn days_are_whole_and_never_fewer_than_wanted() {
        for (seconds, days) in [(0, 1), (1, 1), (86_400, 1), (86_401, 2), (172_800, 2)] {
            assert_eq!(days_of(Duration::from_secs(seconds)), days, "{seconds} s");
        }
        assert_eq!(days_of(Duration::MAX), 36_500);
        assert_eq!(config("min_days = 7").days(Duration::from_secs(60)), 7);
    }

    #[test]
    fn a_cost_is_that_of_bytes_and_requests_by_the_way_they_come() {
        let config = priced();
        config.check().unwrap();
        let bulk = Priced { len_bytes: 4_000_000_000, is_interactive: false };
        let fast = Priced { len_bytes: 1_000_000_000, is_interactive: true };

        let cost = config.cost(&[bulk, bulk]).unwrap();
        assert_eq!((cost.micros, &*cost.currency, &*cost.tier), (20_050, "EUR", "Bulk"));
        let cost = config.cost(&[fast]).unwrap();
        assert_eq!((cost.micros, &*cost.tier), (40_000, "Expedited"));
        let cost = config.cost(&[bulk, fast]).unwrap();
        assert_eq!((cost.micros, &*cost.tier), (10_025 + 40_000, "Bulk and Expedited"));
        assert_eq!(config.cost(&[]).unwrap().micros, 0);
        assert_eq!(GlacierConfig::default().cost(&[bulk]), None);
    }

    #[test]
    fn a_byte_costs_at_least_the_smallest_amount() {
        let cost = config("[prices.Standard]\nper_gb = 0.01")
            .cost(&[Priced { len_bytes: 1, is_interactive: false }]);
        assert_eq!(cost.unwrap().micros, 1);
    }

    #[test]
    fn keys_that_make_no_sense_are_named() {
        for (text, named) in [
            ("connections = 0", "connections"),
            ("requests_per_second = 0", "requests_per_second"),
            ("poll_every = '1h'", "poll_every"),
            ("min_days = 0", "min_days"),
            ("tier = 'Standard'\ninteractive_tier = 'Bulk'", "interactive_tier"),
            ("[prices.Standard]\nper_gb = -1", "prices.Standard.per_gb"),
            ("[prices.Bulk]\nper_gb = 1", "Standard"),
        ] {
            let message = config(text).check().unwrap_err().to_string();
            assert!(message.contains(named), "{text}: {message}");
        }
        assert!(toml::from_str::<GlacierConfig>("tier = 'standard'").is_err());
        assert!(toml::from_str::<GlacierConfig>("teir = 'Bulk'").is_err());
    }
}
