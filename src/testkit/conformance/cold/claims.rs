//! The claims, each on files of its own.

use std::time::Duration;

use anyhow::{Context, ensure};
use futures::future::join_all;
use thermocline_core::ErrorKind;
use thermocline_core::cold::{
    ColdObject, FailureCause, Landing, Locality, ObjectStatus, StageState, StageTicket,
};

use super::{Checks, request};

/// Objects of the long list.
const N_LONG: usize = 10_000;

impl Checks<'_> {
    pub(super) async fn looking_recalls_nothing(&self) -> anyhow::Result<()> {
        let before = self.site.n_recalls().await?;
        for file in self.site.sound() {
            let (first, second) = (self.status(&file.object).await?, self.status(&file.object).await?);
            ensure!(first.locality == Locality::Nearline, "{} is {:?}", file.object.id, first.locality);
            ensure!(first.len_bytes == file.content.len() as u64, "{} has another length", file.object.id);
            ensure!(!first.version.is_empty(), "{} has no version", file.object.id);
            ensure!(first == second, "asked twice, {} is {first:?} and {second:?}", file.object.id);
            let has_place = first.place.is_some();
            ensure!(has_place == self.store.capabilities().knows_tapes, "place: {:?}", first.place);
        }
        let kind = self.store.status(&[self.site.missing()]).await.remove(0).err().map(|error| error.kind());
        ensure!(kind == Some(ErrorKind::NotFound), "a missing object gives {kind:?}");
        self.long_lists_are_answered_whole().await?;
        let recalls = self.site.n_recalls().await? - before;
        ensure!(recalls == 0, "looking caused {recalls} recalls");
        Ok(())
    }

    async fn long_lists_are_answered_whole(&self) -> anyhow::Result<()> {
        ensure!(self.store.status(&[]).await.is_empty(), "no objects have an answer");
        let files = self.site.sound();
        let mut objects: Vec<ColdObject> =
            files.iter().cycle().take(N_LONG).map(|file| file.object.clone()).collect();
        objects.insert(N_LONG / 2, self.site.missing());
        let answers = self.store.status(&objects).await;
        ensure!(answers.len() == objects.len(), "{} answers for {} objects", answers.len(), objects.len());
        for (number, (object, answer)) in objects.iter().zip(answers).enumerate() {
            let file = files.iter().find(|file| file.object == *object);
            let len_bytes = answer.ok().map(|status: ObjectStatus| status.len_bytes);
            let expected = file.map(|file| file.content.len() as u64);
            ensure!(len_bytes == expected, "answer {number} is not that of {}", object.id);
        }
        Ok(())
    }

    pub(super) async fn a_recall_brings_an_object_online(&self) -> anyhow::Result<()> {
        let (file, before) = (self.file(0)?, self.site.n_recalls().await?);
        let cold = self.status(&file.object).await?;
        if self.store.capabilities().landing == Landing::Copied {
            let kind =
                self.store.read(&file.object, &cold.version, 0..1).await.err().map(|error| error.kind());
            ensure!(
                matches!(kind, Some(ErrorKind::Unavailable { .. })),
                "reading a cold object gives {kind:?}"
            );
        }
        self.bring_online("recall", &[&file.object]).await?;
        self.check_bytes(file).await?;
        let online = self.status(&file.object).await?;
        ensure!(cold.version == online.version, "the recall changed the version to {}", online.version);
        self.bring_online("again", &[&file.object]).await.context("an object that is online")?;
        let recalls = self.site.n_recalls().await? - before;
        ensure!(recalls == 1, "{recalls} recalls of one object");
        Ok(())
    }

    pub(super) async fn the_same_key_is_the_same_batch(&self) -> anyhow::Result<()> {
        let (a, b, before) = (self.file(1)?, self.file(2)?, self.site.n_recalls().await?);
        let batch = request("twenty", &[&a.object, &b.object]);
        let tickets = join_all((0..20).map(|_| self.store.stage(&batch))).await;
        for ticket in tickets {
            self.outcome(&ticket?).await?;
        }
        self.bring_online("twenty", &[&a.object, &b.object]).await.context("when it has ended")?;
        self.check_bytes(a).await?;
        self.check_bytes(b).await?;
        let recalls = self.site.n_recalls().await? - before;
        ensure!(recalls == 2, "{recalls} recalls of two objects");
        Ok(())
    }

    pub(super) async fn two_batches_share_a_recall(&self) -> anyhow::Result<()> {
        let (file, before) = (self.file(3)?, self.site.n_recalls().await?);
        let first = self.stage("shared 1", &[&file.object]).await?;
        let second = self.stage("shared 2", &[&file.object]).await?;
        for ticket in [first, second] {
            for state in self.outcome(&ticket).await?.into_values() {
                ensure!(state == StageState::Staged, "{} is {state:?}", ticket.key);
            }
        }
        self.check_bytes(file).await?;
        let recalls = self.site.n_recalls().await? - before;
        ensure!(recalls == 1, "{recalls} recalls of one object");
        Ok(())
    }

    pub(super) async fn a_missing_object_fails_alone(&self) -> anyhow::Result<()> {
        let (a, b, missing) = (self.file(4)?, self.file(5)?, self.site.missing());
        let ticket = self.stage("one is missing", &[&a.object, &missing, &b.object]).await?;
        let mut states = self.outcome(&ticket).await?;
        let state = states.remove(&missing.id);
        let is_not_found =
            matches!(&state, Some(StageState::Failed(failure)) if failure.cause == FailureCause::NotFound);
        ensure!(is_not_found, "the missing object is {state:?}");
        for (id, state) in states {
            ensure!(state == StageState::Staged, "{id} is {state:?}");
        }
        self.check_bytes(a).await?;
        self.check_bytes(b).await
    }

    pub(super) async fn failures_say_what_can_be_done(&self) -> anyhow::Result<()> {
        for (object, is_final) in [(self.site.failing(), false), (self.site.hopeless(), true)] {
            let Some(object) = object else { continue };
            let ticket = self.stage(&format!("fails, {is_final}"), &[&object]).await?;
            let state = self.outcome(&ticket).await?.remove(&object.id).context("no state")?;
            let StageState::Failed(failure) = state else {
                anyhow::bail!("{} is {state:?}, not failed", object.id)
            };
            ensure!(failure.cause.is_final() == is_final, "{} failed with {failure:?}", object.id);
            ensure!(!failure.reason.is_empty(), "{} failed without a reason", object.id);
            let locality = self.status(&object).await.map(|status| status.locality);
            let is_online = locality.as_ref().is_ok_and(|locality| locality.is_online());
            ensure!(!is_online, "{} failed and is {locality:?}", object.id);
        }
        Ok(())
    }

    pub(super) async fn a_busy_store_says_when_to_come_back(&self) -> anyhow::Result<()> {
        if !self.site.set_busy(true).await? {
            return Ok(());
        }
        let (file, before) = (self.file(6)?, self.site.n_recalls().await?);
        let refused = self.store.stage(&request("refused", &[&file.object])).await;
        let kind = refused.err().map(|error| error.kind());
        let is_dated =
            matches!(kind, Some(ErrorKind::Unavailable { retry_after }) if retry_after > Duration::ZERO);
        ensure!(is_dated, "a busy store gives {kind:?}");
        self.site.pass().await;
        ensure!(self.site.n_recalls().await? == before, "a refused batch has begun");
        self.site.set_busy(false).await?;
        self.bring_online("refused", &[&file.object]).await?;
        self.check_bytes(file).await
    }

    pub(super) async fn released_objects_are_cold(&self) -> anyhow::Result<()> {
        let (file, before) = (self.file(7)?, self.site.n_recalls().await?);
        let ticket = self.bring_online("to be released", &[&file.object]).await?;
        let released = self.store.release(&[file.object.clone(), self.site.missing()]).await;
        if !self.store.capabilities().can_release {
            let kind = released.err().map(|error| error.kind());
            return match kind {
                None | Some(ErrorKind::Unsupported) => Ok(()),
                other => anyhow::bail!("a store that cannot release says {other:?}"),
            };
        }
        released.context("the first time")?;
        self.store.release(std::slice::from_ref(&file.object)).await.context("the second time")?;
        let status = self.status(&file.object).await?;
        ensure!(status.locality == Locality::Nearline, "it is {:?}", status.locality);
        self.store.progress(&ticket).await.context("progress of an old batch")?;
        self.bring_online("released before", &[&file.object]).await?;
        self.check_bytes(file).await?;
        let recalls = self.site.n_recalls().await? - before;
        ensure!(recalls == 2, "{recalls} recalls of what was made cold between two");
        Ok(())
    }

    pub(super) async fn what_was_cancelled_can_be_asked_for_again(&self) -> anyhow::Result<()> {
        let (a, b) = (self.file(8)?, self.file(9)?);
        let ticket = self.stage("to be cancelled", &[&a.object, &b.object]).await?;
        for _ in 0..2 {
            let cancelled = self.store.cancel(&ticket, &[a.object.id.clone(), self.site.missing().id]).await;
            cancelled.or_else(|error| match error.kind() {
                ErrorKind::Unsupported => Ok(()),
                _ => Err(error),
            })?;
        }
        let mut states = self.outcome(&ticket).await?;
        let state = states.remove(&a.object.id);
        let has_ended =
            matches!(state, Some(StageState::Unknown | StageState::Staged | StageState::Failed(_)));
        ensure!(has_ended, "the cancelled object is {state:?}");
        let other = states.remove(&b.object.id);
        ensure!(other == Some(StageState::Staged), "the other object is {other:?}");
        self.bring_online("after the cancel", &[&a.object]).await?;
        self.check_bytes(a).await?;
        self.check_bytes(b).await
    }

    pub(super) async fn a_restart_loses_no_object(&self) -> anyhow::Result<()> {
        let (a, b, before) = (self.file(10)?, self.file(11)?, self.site.n_recalls().await?);
        let ticket = self.stage("over a restart", &[&a.object, &b.object]).await?;
        let restarted = Checks { site: self.site, store: self.site.restart().await? };
        // What is left of a batch after a restart is its key; which objects it has the caller may know or not.
        let bare = StageTicket { key: ticket.key.clone(), objects: Vec::new(), store_id: None };
        restarted.store.progress(&bare).await.context("progress by the key alone")?;
        let mut states = restarted.outcome(&StageTicket { store_id: None, ..ticket }).await?;
        for file in [a, b] {
            let state = states.remove(&file.object.id);
            let can_go_on = matches!(state, Some(StageState::Staged | StageState::Unknown));
            ensure!(can_go_on, "{} is {state:?}", file.object.id);
        }
        restarted.bring_online("over a restart", &[&a.object, &b.object]).await?;
        restarted.check_bytes(a).await?;
        restarted.check_bytes(b).await?;
        let recalls = self.site.n_recalls().await? - before;
        ensure!((2..=4).contains(&recalls), "{recalls} recalls of two objects");
        Ok(())
    }

    pub(super) async fn unknown_keys_are_unknown(&self) -> anyhow::Result<()> {
        let object = self.file(0)?.object.clone();
        let never =
            StageTicket { key: "never staged".to_owned(), objects: vec![object.clone()], store_id: None };
        let progress = self.store.progress(&never).await?;
        ensure!(progress == [(object.id.clone(), StageState::Unknown)], "it is {progress:?}");
        let bare = StageTicket { objects: Vec::new(), ..never.clone() };
        ensure!(self.store.progress(&bare).await?.is_empty(), "a batch without objects has some");
        match self.store.cancel(&never, &[object.id]).await {
            Err(error) if error.kind() != ErrorKind::Unsupported => Err(error.into()),
            _ => Ok(()),
        }
    }
}
