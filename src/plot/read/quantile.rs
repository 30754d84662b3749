//! Quantiles, exactly: of values in memory by selection, of more than that by several passes over the data.
//!
//! # Formula
//! numpy's `percentile` with `method="linear"`: of n ascending values, the quantile q lies at `q (n − 1)`, between two
//! neighbours a and b in proportion, `a + (b − a) t`, and `b − (b − a)(1 − t)` from t = ½ on.
//!
//! # Passes
//! Floats as integers in their order (the sign turned around) are counted by their highest 16 bits, then, among those
//! that agree with a wanted one in them, by the next 16, until what agrees is few enough to be sorted. Nothing is
//! approximated.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use thermocline_core::Result;
use thermocline_core::read::Decoder;
use thermocline_render::{Cancel, Values};

use super::gather::Store;
use super::{Output, Source};
use crate::Plotter;

/// Most values that are sorted in memory at the end.
const MAX_SORTED: u64 = if cfg!(test) { 3 } else { 1 << 20 };

/// Two quantiles of the finite values; NaN without any.
pub(super) fn of_values(values: &Values, shares: [f64; 2]) -> [f64; 2] {
    match values {
        Values::F32(values) => {
            let mut finite: Vec<f32> = values.iter().copied().filter(|value| value.is_finite()).collect();
            shares.map(|share| of_finite(&mut finite, share, f32::total_cmp, f64::from))
        }
        Values::F64(values) => {
            let mut finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
            shares.map(|share| of_finite(&mut finite, share, f64::total_cmp, |value| value))
        }
    }
}

fn of_finite<T: Copy>(
    values: &mut [T],
    share: f64,
    compare: fn(&T, &T) -> std::cmp::Ordering,
    number: fn(T) -> f64,
) -> f64 {
    let Some(rank) = Rank::of(values.len() as u64, share) else { return f64::NAN };
    let (_, low, above) = values.select_nth_unstable_by(rank.low as usize, compare);
    let low = number(*low);
    // The next one is the smallest of those above.
    let high = above.iter().copied().map(number).min_by(f64::total_cmp).unwrap_or(low);
    rank.between(low, high)
}

/// Where a quantile lies among ascending values.
#[derive(Debug, Clone, Copy)]
struct Rank {
    low: u64,
    share: f64,
}

impl Rank {
    fn of(n: u64, share: f64) -> Option<Self> {
        let last = n.checked_sub(1)?;
        let at = share.clamp(0.0, 1.0) * last as f64;
        let low = (at.floor() as u64).min(last);
        Some(Self { low, share: at - low as f64 })
    }

    fn between(&self, low: f64, high: f64) -> f64 {
        let step = high - low;
        match self.share {
            0.0 => low,
            share if share < 0.5 => low + step * share,
            share => high - step * (1.0 - share),
        }
    }
}

/// A number in the order of floats.
fn ordered(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn unordered(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key })
}

/// One rank that is looked for: the values whose highest bits are `prefix`, and its place among them.
#[derive(Debug, Clone, Copy)]
struct Search {
    prefix: u64,
    /// How many of the highest bits are known.
    n_bits: u32,
    /// The place among those that agree in them.
    rank: u64,
    /// How many agree.
    n: u64,
}

impl Search {
    fn has(&self, key: u64) -> bool {
        self.n_bits == 0 || key >> (64 - self.n_bits) == self.prefix
    }
}

/// Counts of a pass.
#[derive(Default)]
struct Pass {
    counts: HashMap<(u64, u32), Vec<u64>>,
    values: Vec<f64>,
}

impl Plotter {
    /// Two quantiles of all that is selected, and the bytes that were read.
    ///
    /// # Errors
    /// Those of reading.
    pub(super) async fn quantiles_by_passes(
        &self,
        source: Source<'_>,
        shares: [f64; 2],
        cancel: &Cancel,
    ) -> Result<([f64; 2], u64)> {
        let mut bytes_read = 0;
        let all = Search { prefix: 0, n_bits: 0, rank: 0, n: u64::MAX };
        let (pass, n_bytes) = self.pass(source, vec![all], cancel).await?;
        bytes_read += n_bytes;
        let n: u64 = pass.counts.values().flatten().sum();
        let [Some(first), Some(second)] = shares.map(|share| Rank::of(n, share)) else {
            return Ok(([f64::NAN; 2], bytes_read));
        };
        let last = n.saturating_sub(1);
        let ranks = [first.low, (first.low + 1).min(last), second.low, (second.low + 1).min(last)];
        let mut searches: Vec<Search> =
            ranks.iter().filter_map(|rank| narrowed(&pass, &Search { rank: *rank, n, ..all })).collect();
        while searches.iter().map(|search| search.n).sum::<u64>() > MAX_SORTED
            && searches.iter().any(|search| search.n_bits < 64)
        {
            let (pass, n_bytes) = self.pass(source, searches.clone(), cancel).await?;
            bytes_read += n_bytes;
            searches = searches.iter().filter_map(|search| narrowed(&pass, search)).collect();
        }
        let mut found = Vec::new();
        if searches.iter().all(|search| search.n_bits == 64) {
            found.extend(searches.iter().map(|search| unordered(search.prefix)));
        } else {
            let (values, n_bytes) = self.collect(source, searches.clone(), cancel).await?;
            bytes_read += n_bytes;
            for search in &searches {
                let mut keys: Vec<u64> =
                    values.iter().map(|value| ordered(*value)).filter(|key| search.has(*key)).collect();
                keys.sort_unstable();
                found.extend(keys.get(search.rank as usize).map(|key| unordered(*key)));
            }
        }
        match found.as_slice() {
            [a, b, c, d] => Ok(([first.between(*a, *b), second.between(*c, *d)], bytes_read)),
            _ => Err(thermocline_core::Error::internal("a quantile was not found: the data changed")),
        }
    }

    async fn pass(&self, source: Source<'_>, searches: Vec<Search>, cancel: &Cancel) -> Result<(Pass, u64)> {
        self.see(source, cancel, move |pass, value| {
            let key = ordered(value);
            for search in &searches {
                if search.has(key) && search.n_bits < 64 {
                    let next = (key >> (48 - search.n_bits) & 0xffff) as usize;
                    let counts = pass.counts.entry((search.prefix, search.n_bits));
                    let counts = counts.or_insert_with(|| vec![0; 1 << 16]);
                    if let Some(count) = counts.get_mut(next) {
                        *count += 1;
                    }
                    // Searches that agree so far share their counts.
                    break;
                }
            }
        })
        .await
    }

    async fn collect(
        &self,
        source: Source<'_>,
        searches: Vec<Search>,
        cancel: &Cancel,
    ) -> Result<(Vec<f64>, u64)> {
        let seen = self.see(source, cancel, move |pass, value| {
            let key = ordered(value);
            if searches.iter().any(|search| search.has(key)) && (pass.values.len() as u64) < 4 * MAX_SORTED {
                pass.values.push(value);
            }
        });
        seen.await.map(|(pass, bytes_read)| (pass.values, bytes_read))
    }

    /// Shows every finite selected value to `see`.
    async fn see(
        &self,
        source: Source<'_>,
        cancel: &Cancel,
        see: impl Fn(&mut Pass, f64) + Send + Sync + 'static,
    ) -> Result<(Pass, u64)> {
        let cut = Arc::clone(source.cut);
        let chunks = self.run(cancel, move || cut.chunks()).await??;
        let decoder = Decoder::of(source.variable)
            .ok_or_else(|| thermocline_core::Error::unsupported("texts have no quantiles"))?;
        let nothing = (source.cut.empty_lattice(), Values::F32(Vec::new()));
        let store = Store::new(Arc::clone(source.cut), decoder, nothing, Output::Values, cancel.clone());
        let pass = Arc::new(Mutex::new(Pass::default()));
        let into = Arc::clone(&pass);
        let each = move |chunk: &thermocline_core::read::DecodedChunk<'_>| {
            store.values_of(chunk, |values| {
                let mut pass = into.lock();
                values.iter().filter(|value| value.is_finite()).for_each(|value| see(&mut pass, *value));
            })
        };
        let visited = self.visit(source, chunks, Arc::new(each)).await?;
        let pass = std::mem::take(&mut *pass.lock());
        Ok((pass, visited.bytes_read))
    }
}

/// The same search with 16 bits more.
fn narrowed(pass: &Pass, search: &Search) -> Option<Search> {
    if search.n_bits >= 64 {
        return Some(*search);
    }
    let counts = pass.counts.get(&(search.prefix, search.n_bits))?;
    let mut before = 0;
    for (next, count) in counts.iter().enumerate() {
        if search.rank < before + count {
            return Some(Search {
                prefix: search.prefix << 16 | next as u64,
                n_bits: search.n_bits + 16,
                rank: search.rank - before,
                n: *count,
            });
        }
        before += count;
    }
    None
}
