//! Reads what a picture needs of a variable, chunk by chunk, and no more than that is kept.
//!
//! Of a [`Cut`] (the selected positions along the drawn axes, one position along each of the others) follow the chunks.
//! If all of them are read anyway, because statistics are wanted or the picture shows them all, the whole field is
//! decoded and kept for the next picture, as long as it is no larger than half of what is kept of fields; else only
//! the rows and columns of the picture's cells are, and statistics are folded chunk by chunk.
//!
//! # Quantiles
//! Those of numpy's `percentile` with `method="linear"` over the finite values, exactly. Fields that are not kept as a
//! whole are read as often as the numbers have 16 bits, until what remains to be sorted fits ([`quantile`]).

mod cut;
mod gather;
mod kept;
mod quantile;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use thermocline_core::manifest::Manifest;
use thermocline_core::read::{Decoder, Visit, Visited};
use thermocline_core::select::ResolvedVariable;
use thermocline_core::{Error, ErrorKind, Result};
use thermocline_model::Variable;
use thermocline_render::{Cancel, CellMap, Field, Statistics, Values};

use crate::Plotter;

use cut::{Cut, Lattice};
use gather::{Gathered, Output, Put, Store};
use kept::{Known, Spare, Whole};

pub(crate) use kept::Kept;

/// Which cells a picture shows.
#[derive(Debug, Clone, Copy)]
pub enum Needs<'m> {
    /// All that are selected.
    All,
    /// Those of the pixels.
    Pixels(&'m Arc<CellMap>),
}

/// What is wanted of a variable besides the values of the cells shown.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Wanted {
    /// Smallest, largest and mean value of all that is selected: every selected chunk is read.
    pub statistics: bool,
    /// These quantiles of all that is selected, between 0 and 1, as numpy's linear ones.
    pub quantiles: Option<[f64; 2]>,
}

/// Positions along the axes of a variable that are not drawn, and which axes are.
#[derive(Debug, Clone)]
pub struct Axes<'r> {
    /// What the request selects; one position of each axis that is not drawn.
    pub selected: &'r ResolvedVariable,
    /// The axes that are drawn: rows and columns, or one.
    pub drawn: &'r [usize],
}

/// Values of a field with what is known of all that is selected.
#[derive(Debug, Clone)]
pub struct ReadField {
    /// The values, on the cells of the grid. Cells that are not selected are missing.
    pub field: Arc<Field>,
    /// Of all that is selected, if wanted.
    pub statistics: Option<Statistics>,
    /// The wanted quantiles; NaN without values.
    pub quantiles: Option<[f64; 2]>,
    /// Chunks that the picture is made of.
    pub n_chunks: u64,
    /// Bytes that were read from the source, 0 if everything was in memory.
    pub bytes_read: u64,
}

/// Values along one or two axes, in C order, with the positions that were selected along them.
#[derive(Debug, Clone)]
pub struct ReadSeries {
    /// The values, decoded.
    pub values: Values,
    /// Positions along each drawn axis.
    pub positions: Vec<Vec<u64>>,
    /// Chunks that were read.
    pub n_chunks: u64,
    /// Bytes that were read from the source.
    pub bytes_read: u64,
}

/// Chunks that are in flight for each thread: one is decoded while the next one is read.
const IN_FLIGHT_PER_THREAD: usize = 2;

/// What is read of one variable.
#[derive(Clone, Copy)]
struct Source<'s> {
    manifest: &'s Arc<Manifest>,
    variable: &'s Variable,
    cut: &'s Arc<Cut>,
}

impl Plotter {
    /// Values of a field on its grid: of the chunks that hold a needed cell, or of all selected ones if statistics are
    /// wanted. Decoded fields are kept.
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::TooLarge`] beyond `max_read_bytes`, naming the estimate and what would help; those of
    /// reading.
    pub async fn read_field(
        &self,
        manifest: &Arc<Manifest>,
        axes: &Axes<'_>,
        needs: Needs<'_>,
        wanted: Wanted,
        cancel: &Cancel,
    ) -> Result<ReadField> {
        check(cancel)?;
        let variable = variable_at(manifest, &axes.selected.path)?;
        let key = kept::Key::new(manifest, axes);
        if let Some(whole) = self.kept.whole(&key).await {
            return self.of_whole(&key, whole, wanted, 0, cancel).await;
        }
        let cut = self.cut(manifest, axes, cancel).await?;
        let source = Source { manifest, variable, cut: &cut };
        let known = self.kept.known(&key).filter(|known| known.has(&wanted));
        let needed = self.needed(&cut, needs, key, cancel).await?;
        let n_needed = needed.as_ref().map_or(cut.n_chunks(), |needed| needed.chunks.len() as u64);
        let is_all_read = known.is_none() && (wanted.statistics || wanted.quantiles.is_some());
        let fits = cut.field_bytes() <= self.settings.field_cache_bytes / 2;
        if (is_all_read || n_needed == cut.n_chunks()) && (fits || needed.is_none()) {
            let (whole, bytes_read) = self.whole(&key, source, cancel).await?;
            return self.of_whole(&key, whole, wanted, bytes_read, cancel).await;
        }
        let lattice = needed.as_ref().map_or_else(|| cut.whole_lattice(), |needed| needed.lattice.clone());
        self.part(&key, source, (needed, lattice), wanted, known, cancel).await
    }

    /// Values along one or two axes as an array.
    ///
    /// # Errors
    /// Those of [`Plotter::read_field`].
    pub async fn read_series(
        &self,
        manifest: &Arc<Manifest>,
        axes: &Axes<'_>,
        cancel: &Cancel,
    ) -> Result<ReadSeries> {
        check(cancel)?;
        let variable = variable_at(manifest, &axes.selected.path)?;
        let cut = self.cut(manifest, axes, cancel).await?;
        let source = Source { manifest, variable, cut: &cut };
        let selected = Arc::clone(&cut);
        let (lattice, positions) = self.run(cancel, move || selected.selected_lattice()).await??;
        let read = self.gather(source, None, lattice, Output::Values, cancel).await?;
        Ok(ReadSeries {
            values: read.field.values,
            positions,
            n_chunks: read.visited.n_chunks,
            bytes_read: read.visited.bytes_read,
        })
    }

    /// Memory of a whole field of a variable along the drawn axes, in bytes: for [`Plotter::admit`].
    ///
    /// # Errors
    /// [`thermocline_core::ErrorKind::NotFound`], and texts.
    pub fn field_bytes(&self, manifest: &Manifest, path: &str, drawn: &[usize]) -> Result<u64> {
        let variable = variable_at(manifest, path)?;
        let decoder = Decoder::of(variable);
        let decoder =
            decoder.ok_or_else(|| Error::unsupported(format!("{:?} has no numbers", variable.name)))?;
        let lengths = drawn.iter().filter_map(|axis| variable.shape.get(*axis));
        Ok(lengths.fold(if decoder.is_single() { 4 } else { 8 }, |bytes, len| bytes.saturating_mul(*len)))
    }

    /// What is cut out of a variable, found away from the runtime's threads: masks may be large.
    async fn cut(&self, manifest: &Arc<Manifest>, axes: &Axes<'_>, cancel: &Cancel) -> Result<Arc<Cut>> {
        let (manifest, selected) = (Arc::clone(manifest), axes.selected.clone());
        let drawn = axes.drawn.to_vec();
        let find = move || {
            let variable = variable_at(&manifest, &selected.path)?;
            Cut::new(variable, &Axes { selected: &selected, drawn: &drawn })
        };
        let cut = self.run(cancel, find).await??;
        self.check_memory(cut.index_bytes())?;
        Ok(Arc::new(cut))
    }

    /// The chunks and cells that a picture needs; `None` if it needs all.
    async fn needed(
        &self,
        cut: &Arc<Cut>,
        needs: Needs<'_>,
        key: kept::Key,
        cancel: &Cancel,
    ) -> Result<Option<cut::Needed>> {
        let Needs::Pixels(cells) = needs else { return Ok(None) };
        let (cut, cells) = (Arc::clone(cut), Arc::clone(cells));
        self.run(cancel, move || cut.needed(&cells, &key)).await?.map(Some)
    }

    /// Refuses what takes more memory than all plots have.
    fn check_memory(&self, len_bytes: u64) -> Result<()> {
        let limit = self.settings.work_bytes;
        if len_bytes <= limit {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::TooLarge,
            format!(
                "the cells take {len_bytes} bytes of memory, all plots together have {limit}; ask for a smaller extent \
                 or a selection"
            ),
        ))
    }

    /// The whole field, read once however many ask for it.
    async fn whole(&self, key: &kept::Key, source: Source<'_>, cancel: &Cancel) -> Result<(Arc<Whole>, u64)> {
        loop {
            let mut bytes_read = 0;
            let read = async {
                let output = Output::Whole;
                let gathered = self.gather(source, None, source.cut.whole_lattice(), output, cancel).await?;
                bytes_read = gathered.visited.bytes_read;
                Ok(Arc::new(Whole {
                    field: Arc::new(gathered.field),
                    statistics: gathered.statistics,
                    n_chunks: gathered.visited.n_chunks,
                    spare: Arc::clone(&self.kept.spare),
                }))
            };
            match self.kept.whole_or(key, read).await {
                Ok(whole) => return Ok((whole, bytes_read)),
                // Another one, who was reading, gave up: that is no reason for this one to.
                Err(error) if is_called_off(&error) && cancel.check().is_ok() => {}
                Err(error) => return Err(error.shared()),
            }
        }
    }

    async fn of_whole(
        &self,
        key: &kept::Key,
        whole: Arc<Whole>,
        wanted: Wanted,
        bytes_read: u64,
        cancel: &Cancel,
    ) -> Result<ReadField> {
        let statistics = whole.statistics;
        let mut known = self.kept.known(key).unwrap_or(Known { statistics, quantiles: None });
        if let Some(shares) = wanted.quantiles
            && !known.has(&wanted)
        {
            let field = Arc::clone(&whole.field);
            let values = self.run(cancel, move || quantile::of_values(&field.values, shares)).await?;
            known.quantiles = Some((shares, values));
        }
        self.kept.keep_known(key, known);
        Ok(ReadField {
            field: Arc::clone(&whole.field),
            statistics: Some(statistics),
            quantiles: known.quantiles.filter(|_| wanted.quantiles.is_some()).map(|(_, values)| values),
            n_chunks: whole.n_chunks,
            bytes_read,
        })
    }

    /// The cells of a picture, and of all others no more than their statistics.
    async fn part(
        &self,
        key: &kept::Key,
        source: Source<'_>,
        (needed, lattice): (Option<cut::Needed>, Lattice),
        wanted: Wanted,
        known: Option<Known>,
        cancel: &Cancel,
    ) -> Result<ReadField> {
        let is_all_read = known.is_none() && (wanted.statistics || wanted.quantiles.is_some());
        let n_needed = needed.as_ref().map_or(source.cut.n_chunks(), |needed| needed.chunks.len() as u64);
        if !is_all_read {
            let part = needed.as_ref().map(|needed| needed.key);
            if let Some(part) = &part
                && let Some(kept) = self.kept.whole(part).await
            {
                return Ok(known_of(kept.field.clone(), known, wanted, (n_needed, 0)));
            }
            let chunks = needed.map(|needed| needed.chunks);
            let read = self.gather(source, chunks, lattice, Output::Values, cancel).await?;
            let field = Arc::new(read.field);
            if let Some(part) = &part {
                let (field, n_chunks) = (Arc::clone(&field), read.visited.n_chunks);
                let (statistics, spare) = (read.statistics, Arc::clone(&self.kept.spare));
                self.kept.keep(part, Whole { field, statistics, n_chunks, spare }).await;
            }
            return Ok(known_of(field, known, wanted, (n_needed, read.visited.bytes_read)));
        }
        let read = self.gather(source, None, lattice, Output::Whole, cancel).await?;
        let mut bytes_read = read.visited.bytes_read;
        let quantiles = match wanted.quantiles {
            Some(shares) => {
                let (values, n_bytes) = self.quantiles_by_passes(source, shares, cancel).await?;
                bytes_read += n_bytes;
                Some((shares, values))
            }
            None => None,
        };
        let known = Known { statistics: read.statistics, quantiles };
        self.kept.keep_known(key, known);
        Ok(known_of(Arc::new(read.field), Some(known), wanted, (n_needed, bytes_read)))
    }

    /// Reads chunks, all selected ones if none are named, and gathers what lies on a lattice.
    async fn gather(
        &self,
        source: Source<'_>,
        chunks: Option<Vec<u64>>,
        lattice: Lattice,
        output: Output,
        cancel: &Cancel,
    ) -> Result<Gathered> {
        let cut = source.cut;
        let n_chunks = chunks.as_ref().map_or(cut.n_chunks(), |chunks| chunks.len() as u64);
        self.check_read(source.variable, n_chunks)?;
        self.check_memory(lattice.n_values().saturating_mul(cut.value_bytes()))?;
        let decoder = Decoder::of(source.variable)
            .ok_or_else(|| Error::unsupported(format!("{:?} has no numbers", source.variable.name)))?;
        let (shared, called_off) = (Arc::clone(cut), cancel.clone());
        let spare = Arc::clone(&self.kept.spare);
        let begin = move || {
            let chunks = chunks.map_or_else(|| shared.chunks(), Ok)?;
            let n_values = lattice.n_values() as usize;
            let is_filled = shared.fills(&lattice, chunks.len());
            let values = match decoder.is_single() {
                true => Values::F32(room(&spare, n_values, is_filled)),
                false => Values::F64(room(&spare, n_values, is_filled)),
            };
            let store = Store::new(shared, decoder, (lattice, values), output, called_off);
            Ok::<_, Error>((chunks, Arc::new(store)))
        };
        let (chunks, store) = self.run(cancel, begin).await??;
        let each = Arc::clone(&store);
        let visited = self.visit(source, chunks, Arc::new(move |chunk| each.take(chunk))).await?;
        self.run(cancel, move || store.finish(visited)).await?
    }

    async fn visit(
        &self,
        source: Source<'_>,
        chunks: Vec<u64>,
        each: Arc<thermocline_core::read::Each>,
    ) -> Result<Visited> {
        let spawn = |work: Box<dyn FnOnce() + Send>| self.threads.spawn(work);
        let max_in_flight = IN_FLIGHT_PER_THREAD * self.threads.count();
        let visit = Visit { chunks, max_in_flight, spawn: &spawn };
        let visited = self.reader.visit(source.manifest, source.variable, visit, each).await?;
        metrics::counter!("thermocline_plot_read_bytes_total").increment(visited.bytes_read);
        Ok(visited)
    }

    /// Refuses to go on reading for one plot of several pictures.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] beyond `max_read_bytes`.
    pub(crate) fn check_total(&self, bytes_read: u64) -> Result<()> {
        let limit = self.settings.max_read_bytes;
        if bytes_read <= limit {
            return Ok(());
        }
        let message = format!(
            "the plot read {bytes_read} bytes before its end, and may read {limit}; give vmin and vmax, ask for fewer \
             frames, or a smaller extent"
        );
        Err(Error::new(ErrorKind::TooLarge, message))
    }

    /// Refuses to read more than one plot may.
    fn check_read(&self, variable: &Variable, n_chunks: u64) -> Result<()> {
        let chunk_bytes = cut::chunk_bytes(variable);
        let estimate = n_chunks.saturating_mul(chunk_bytes);
        let limit = self.settings.max_read_bytes;
        if estimate <= limit {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::TooLarge,
            format!(
                "the plot needs {n_chunks} chunks of {:?}, about {estimate} bytes, and may read {limit}; give vmin and \
                 vmax, so that only what is shown is read, a smaller extent, or a selection",
                variable.name
            ),
        ))
    }
}

/// Room for values: missing ones, or, where all of it is written to, whatever is at hand.
fn room<R: Put>(spare: &Spare, n_values: usize, is_filled: bool) -> Vec<R> {
    if !is_filled {
        return vec![R::NAN; n_values];
    }
    // Zeros cost nothing until they are written to.
    let mut values = spare.take(n_values).unwrap_or_else(|| vec![R::from_f64(0.0); n_values]);
    values.truncate(n_values);
    values
}

fn known_of(
    field: Arc<Field>,
    known: Option<Known>,
    wanted: Wanted,
    (n_chunks, bytes_read): (u64, u64),
) -> ReadField {
    let quantiles = known.and_then(|known| known.quantiles).map(|(_, values)| values);
    ReadField {
        field,
        statistics: known.map(|known| known.statistics),
        quantiles: quantiles.filter(|_| wanted.quantiles.is_some()),
        n_chunks,
        bytes_read,
    }
}

fn variable_at<'m>(manifest: &'m Manifest, path: &str) -> Result<&'m Variable> {
    let gone = || Error::not_found(format!("Variable '{path}' not found in dataset"));
    manifest.dataset.root.variable(path).ok_or_else(gone)
}

/// Reading that was called off, as an error of the core.
pub(crate) const CALLED_OFF: &str = "the plot was called off";

fn check(cancel: &Cancel) -> Result<()> {
    cancel.check().map_err(|_| {
        Error::new(ErrorKind::Unavailable { retry_after: std::time::Duration::from_secs(1) }, CALLED_OFF)
    })
}

fn is_called_off(error: &Error) -> bool {
    error.message().ends_with(CALLED_OFF)
}
