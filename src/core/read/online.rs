//! What a chunk is made of is online as long as it is made.

use std::sync::Arc;

use futures::StreamExt;
use thermocline_model::{ChunkRef, Dataset, Object, Variable};

use super::{ChunkForm, Reader, Recalls, derive};
use crate::cold::Locality;
use crate::format::Region;
use crate::manifest::{ChunkObjects, Manifest, blocking};
use crate::staging::{CopyGuard, Presence};
use crate::{Error, Result};

/// Most chunks that are looked at to find the objects that will be wanted next.
const MAX_CHUNKS_AHEAD: u64 = 10_000;

/// Most objects of one chunk whose stores are asked at the same time.
const LOOKS_AT_ONCE: usize = 16;

/// Keeps objects online as long as it lives.
#[derive(Debug, Default)]
pub struct Online {
    _guards: Vec<CopyGuard>,
}

impl Reader {
    /// The recalls that readers wait for; `None` if no object lies on a cold store.
    pub fn recalls(&self) -> Option<&Arc<Recalls>> {
        self.recalls.as_ref()
    }

    /// Where an object is as far as it is known without asking; `None` if it lies on no cold store.
    pub fn locality(&self, object: &Object) -> Option<Locality> {
        let residency = self.recalls.as_ref()?.residency();
        residency.is_bound(&object.href).then(|| residency.known_locality(&object.href))
    }

    /// Where an object is at this moment: its store is asked if it lies in place; `None` if it lies on no cold store.
    pub async fn locality_now(&self, object: &Object) -> Option<Locality> {
        let residency = self.recalls.as_ref()?.residency();
        if !residency.is_bound(&object.href) {
            return None;
        }
        residency.localities(&[object.href.as_str().into()]).await.pop()
    }

    /// Where the farthest of the objects is that a chunk is read from; `None` if none lies on a cold store.
    ///
    /// # Errors
    /// Those of loading the chunk table.
    pub async fn chunk_locality(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        form: &ChunkForm,
        index: &[u64],
    ) -> Result<Option<Locality>> {
        let Some(recalls) = &self.recalls else { return Ok(None) };
        let residency = recalls.residency();
        let numbers = self.objects_of(manifest, variable, form, index).await?;
        let objects = numbers.iter().filter_map(|number| manifest.dataset.objects.get(*number as usize));
        let bound = objects.filter(|object| residency.is_bound(&object.href));
        let hrefs: Vec<Arc<str>> = bound.map(|object| object.href.as_str().into()).collect();
        let hrefs = self.cold_names(hrefs).await?;
        let places = residency.localities(&hrefs).await;
        Ok(places.iter().copied().find(|place| !place.is_online()).or_else(|| places.first().copied()))
    }

    /// Keeps an object of a dataset online, if it is.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotStaged`] if it is not.
    pub async fn keep_object_online(&self, manifest: &Manifest, object: u32) -> Result<Online> {
        self.keep(&manifest.dataset, &[object]).await
    }

    /// Keeps what a region is read from online, if it is.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotStaged`] with all objects that are not.
    pub(super) async fn keep_online(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        region: &Region,
    ) -> Result<Online> {
        if self.recalls.is_none() {
            return Ok(Online::default());
        }
        self.keep(&manifest.dataset, &derive::objects_below(manifest, variable, region).await?).await
    }

    pub(super) async fn keep(&self, dataset: &Dataset, numbers: &[u32]) -> Result<Online> {
        let Some(recalls) = &self.recalls else { return Ok(Online::default()) };
        let residency = Arc::clone(recalls.residency());
        let hrefs = numbers.iter().filter_map(|number| dataset.objects.get(*number as usize));
        let bound: Vec<Arc<str>> = hrefs
            .filter(|object| residency.is_bound(&object.href))
            .map(|object| Arc::from(object.href.as_str()))
            .collect();
        if bound.is_empty() {
            return Ok(Online::default());
        }
        let bound = self.cold_names(bound).await?;
        let (mut guards, mut cold) = (Vec::new(), Vec::new());
        let mut looks = futures::stream::iter(bound)
            .map(|href| {
                let residency = Arc::clone(&residency);
                async move { (residency.presence(&href).await, href) }
            })
            .buffered(LOOKS_AT_ONCE);
        while let Some((presence, href)) = looks.next().await {
            match presence? {
                Presence::Online { guard, .. } => guards.extend(guard),
                Presence::Cold => cold.push(href),
                Presence::Unbound => {}
            }
        }
        if cold.is_empty() { Ok(Online { _guards: guards }) } else { Err(Error::needs_staging(cold)) }
    }

    /// Notes that an object could be read. True if what it leads to has to be noted too.
    pub(super) fn note_read(&self, href: &str) -> bool {
        let Some(recalls) = &self.recalls else { return false };
        recalls.was_read(href);
        recalls.has_just_ended_any()
    }

    /// Notes that objects could be read by the names of what they lead to. Looking for those takes a look at files.
    pub(super) async fn note_read_by_name(&self, hrefs: Vec<Arc<str>>) {
        let Some(recalls) = &self.recalls else { return };
        // Why an object has no name is said by who reads it.
        for name in self.cold_names(hrefs).await.unwrap_or_default() {
            recalls.was_read(&name);
        }
    }

    /// The names by which cold stores know objects: a link and what it leads to are one.
    async fn cold_names(&self, hrefs: Vec<Arc<str>>) -> Result<Vec<Arc<str>>> {
        let opener = Arc::clone(&self.opener);
        blocking(move || {
            // Why an object cannot be found is said by who reads it.
            let name = |href: Arc<str>| opener.cold_name(&href).ok().flatten().unwrap_or(href);
            Ok(hrefs.into_iter().map(name).collect())
        })
        .await
    }

    /// Objects that the chunks after a chunk lie in, along the first dimension of its variable: as many as are
    /// read ahead.
    ///
    /// # Errors
    /// Those of loading the chunk table.
    pub async fn objects_ahead(
        &self,
        manifest: &Arc<Manifest>,
        variable: &Variable,
        form: &ChunkForm,
        index: &[u64],
    ) -> Result<Vec<Arc<str>>> {
        let n_wanted = self.recalls.as_ref().map_or(0, |recalls| recalls.residency().prefetch_objects());
        if n_wanted == 0 {
            return Ok(Vec::new());
        }
        let table = manifest.table(variable).await?;
        let Some(grid) = variable.stored_grid() else { return Ok(Vec::new()) };
        let Region { start, shape } = form.region(variable, index);
        let lengths = &variable.storage.chunk_shape;
        let mut at: Vec<u64> = start.iter().zip(lengths).map(|(start, len)| start / (*len).max(1)).collect();
        let (Some(first), Some(length), Some(chunk)) = (at.first().copied(), shape.first(), lengths.first())
        else {
            return Ok(Vec::new());
        };
        let own = derive::objects_below(manifest, variable, &form.region(variable, index)).await?;
        let (mut found, mut before): (Vec<u32>, Option<ChunkRef>) = (Vec::new(), None);
        for step in 0..MAX_CHUNKS_AHEAD {
            if let Some(position) = at.first_mut() {
                *position = first.saturating_add(length.div_ceil((*chunk).max(1))).saturating_add(step);
            }
            let Some(linear) = grid.linear(&at) else { break };
            let Some(chunk) = table.get(linear) else { continue };
            // Neighbours mostly are put together from the same objects, and their list is read once.
            if before.replace(chunk) == Some(chunk) && chunk.part.place.is_decoded_by_format() {
                continue;
            }
            let mut objects = ChunkObjects::default();
            objects.add(&chunk);
            for number in objects.numbers(manifest).await? {
                if !own.contains(&number) && !found.contains(&number) {
                    found.push(number);
                }
            }
            if found.len() >= n_wanted {
                break;
            }
        }
        let objects =
            found.iter().take(n_wanted).filter_map(|number| manifest.dataset.objects.get(*number as usize));
        Ok(objects.map(|object| Arc::from(object.href.as_str())).collect())
    }
}
