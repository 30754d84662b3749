//! Where files are, and what they are.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use thermocline_core::cold::{ColdObject, Locality, ObjectStatus};
use thermocline_core::{Error, ErrorKind, Result};

use crate::WlcgTapeStore;
use crate::client::{FileHead, is_within};
use crate::documents::ByPath;

/// Most files whose size and version are remembered.
const MAX_REMEMBERED: usize = 100_000;

impl WlcgTapeStore {
    /// What is known of each file, in the same order.
    pub(crate) async fn look(&self, objects: &[ColdObject]) -> Vec<Result<ObjectStatus>> {
        let localities = self.localities(objects).await;
        let mut answers = Vec::with_capacity(objects.len());
        for (object, locality) in objects.iter().zip(localities) {
            answers.push(self.status_of(object, locality));
        }
        stream::iter(answers).buffered(self.config.connections).collect().await
    }

    async fn status_of(&self, object: &ColdObject, locality: Result<Locality>) -> Result<ObjectStatus> {
        let locality = locality?;
        let FileHead { len_bytes, version } = self.head(object).await?;
        // What is on disk only does not go.
        let may_go = locality == Locality::OnlineAndNearline;
        Ok(ObjectStatus {
            locality,
            len_bytes,
            version,
            place: None,
            checksum: None,
            links_to: None,
            online_until_ns: may_go.then(|| self.kept.until_ns(&object.id, self.clock.now_ns())),
        })
    }

    /// Where files are, in the same order.
    pub(crate) async fn localities(&self, objects: &[ColdObject]) -> Vec<Result<Locality>> {
        let mut found: Vec<Option<Result<Locality>>> = objects.iter().map(|_| None).collect();
        let mut by_root: BTreeMap<&str, Vec<(usize, String)>> = BTreeMap::new();
        for (number, (object, place)) in objects.iter().zip(&mut found).enumerate() {
            match self.paths.on_tape(&object.href) {
                Ok(path) => by_root.entry(object.id.root()).or_default().push((number, path)),
                Err(error) => *place = Some(Err(error)),
            }
        }
        for (root, files) in by_root {
            for some in files.chunks(self.config.batch_objects) {
                for (number, answer) in self.ask_where(root, some).await {
                    if let Some(place) = found.get_mut(number) {
                        *place = Some(answer);
                    }
                }
            }
        }
        let untold = || Err(Error::internal("a file was not asked about"));
        found.into_iter().map(|answer| answer.unwrap_or_else(untold)).collect()
    }

    async fn ask_where(&self, root: &str, files: &[(usize, String)]) -> Vec<(usize, Result<Locality>)> {
        let paths: Vec<String> = files.iter().map(|(_, path)| path.clone()).collect();
        match self.client.archive_info(&paths, self.credentials_of(root)).await {
            Ok(answers) => {
                let by_path = ByPath::new(answers, |info| &info.path);
                let locality = |path: &str| {
                    // That it is missing in a list does not say that it does not exist.
                    let untold = || {
                        let kind = ErrorKind::Unavailable { retry_after: self.config.poll_every };
                        Error::new(kind, format!("the site says nothing of {path}"))
                    };
                    by_path.get(path).ok_or_else(untold)?.locality()
                };
                files.iter().map(|(number, path)| (*number, locality(path))).collect()
            }
            Err(error) => {
                // That the interface itself is missing says nothing of a file.
                let kind = match error.kind() {
                    ErrorKind::NotFound => ErrorKind::Unavailable { retry_after: self.config.poll_every },
                    other => other,
                };
                let failed = || Error::new(kind, error.message());
                files.iter().map(|(number, _)| (*number, Err(failed()))).collect()
            }
        }
    }

    /// Size and version of a file, asked for or remembered.
    async fn head(&self, object: &ColdObject) -> Result<FileHead> {
        let now_ns = self.clock.now_ns();
        if let Some((head, at_ns)) = self.heads.lock().get(&object.id)
            && is_within(self.config.remember, *at_ns, now_ns)
        {
            return Ok(head.clone());
        }
        let head = self.client.head(&object.href, self.credentials_of(object.id.root())).await;
        let mut heads = self.heads.lock();
        match &head {
            Ok(head) => {
                if heads.len() >= MAX_REMEMBERED {
                    heads.clear();
                }
                heads.insert(object.id.clone(), (head.clone(), now_ns));
            }
            Err(_) => {
                heads.remove(&object.id);
            }
        }
        head
    }
}
