//! Files that clients name by their paths: which of them are there for a client, and which it may have staged.
//!
//! The files of a root are under one access rule. Whoever may not read under it finds below no root what lies below that
//! one; whoever may read and not stage is told so for each file. Whatever takes paths resolves them with [`Paths`], so
//! that nothing can be named past the rules. Rules are asked once for each root, never for each file.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use thermocline_core::cold::{Namespace, NamespaceRoot, ObjectId};
use thermocline_core::staging::Wanted;

use super::{Identity, MayStage, Right};
use crate::{App, AppState, Problem};

/// The declared roots as a client may name files below them.
#[derive(Debug, Clone)]
pub struct Paths {
    namespace: Arc<Namespace>,
    /// What is denied of the files of roots, by their names; empty for who may do everything.
    denied: Arc<BTreeMap<Arc<str>, Denied>>,
    /// The roots that are there for the client.
    shown: Arc<Namespace>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Denied {
    /// They are not there for the client.
    Reading,
    /// They are there, and are not staged for the client; a token would help it that it did not send, or not.
    Staging { would_help: bool },
}

impl Paths {
    /// All files below all roots: what the server itself names.
    pub fn all(namespace: Arc<Namespace>) -> Self {
        Self { shown: Arc::clone(&namespace), namespace, denied: Arc::default() }
    }

    fn to(right: Right, app: &App, who: &Identity) -> Self {
        let Some(staging) = &app.staging else { return Self::all(Arc::default()) };
        let namespace = Arc::clone(staging.namespace());
        let denied = |root: &NamespaceRoot| {
            let denied = match (app.access.right_on_root(who, &root.name), right) {
                (None, _) => Denied::Reading,
                (Some(Right::Read), Right::Stage) => {
                    Denied::Staging { would_help: app.access.some_token_stages_root(&root.name) }
                }
                _ => return None,
            };
            Some((Arc::clone(&root.name), denied))
        };
        let denied: BTreeMap<_, _> = namespace.roots().iter().filter_map(denied).collect();
        let is_shown = |root: &&NamespaceRoot| denied.get(&root.name) != Some(&Denied::Reading);
        let shown: Vec<NamespaceRoot> = namespace.roots().iter().filter(is_shown).cloned().collect();
        match shown.len() == namespace.roots().len() {
            true => Self { denied: Arc::new(denied), ..Self::all(namespace) },
            false => Self { namespace, denied: Arc::new(denied), shown: Arc::new(Namespace::new(shown)) },
        }
    }

    /// The roots that are there for the client.
    pub fn roots(&self) -> &Namespace {
        &self.shown
    }

    /// Whether there is a root that is not there for the client.
    pub fn hides(&self) -> bool {
        self.shown.roots().len() < self.namespace.roots().len()
    }

    /// Whether an object is there for the client.
    pub fn shows(&self, object: &ObjectId) -> bool {
        self.denied.get(object.root()) != Some(&Denied::Reading)
    }

    /// Paths, below a root, of the roots that lie below it and are not there for the client.
    pub fn hidden_below(&self, root: &NamespaceRoot) -> Vec<String> {
        let hidden = self.namespace.roots().iter().filter(|inner| self.shown.root(&inner.name).is_none());
        let below = hidden.filter_map(|inner| inner.base.strip_prefix(&root.base)?.strip_prefix('/'));
        below.map(str::to_owned).collect()
    }

    /// The objects that a spelling means, percent-encoded or not, or the reason why none. What lies below a root that is
    /// not there for the client has the reason of what lies below none.
    pub fn objects(&self, spelling: &str) -> Result<Vec<ObjectId>, String> {
        let found = self.namespace.resolve_encoded(spelling);
        if self.denied.is_empty() {
            return found.map_err(|error| error.message().to_owned());
        }
        let mut objects = found.map_err(|_| self.reason_of_none(spelling))?;
        objects.retain(|object| self.shows(object));
        if objects.is_empty() {
            return Err(outside(spelling));
        }
        objects.retain(|object| !self.denied.contains_key(object.root()));
        if objects.is_empty() { Err(format!("{spelling:?} may not be staged")) } else { Ok(objects) }
    }

    /// Why a spelling means nothing, as if there were no roots but those that are there for the client.
    fn reason_of_none(&self, spelling: &str) -> String {
        let shown = self.shown.resolve_encoded(spelling);
        shown.map_or_else(|error| error.message().to_owned(), |_| outside(spelling))
    }

    /// The first object that is there and may not be staged, if a token would help.
    fn denied_staging(&self, spelling: &str) -> Option<(ObjectId, bool)> {
        let objects = self.namespace.resolve_encoded(spelling).ok()?;
        objects.into_iter().find_map(|object| match self.denied.get(object.root())? {
            Denied::Staging { would_help } => Some((object, *would_help)),
            Denied::Reading => None,
        })
    }
}

/// The reason of what lies below no root.
fn outside(spelling: &str) -> String {
    let nowhere = Namespace::default().resolve_encoded(spelling);
    nowhere.map_or_else(|error| error.message().to_owned(), |_| format!("{spelling:?} means nothing"))
}

impl Identity {
    /// True if no file of any root is hidden from this client.
    pub(super) fn sees_all_roots(&self, app: &App) -> bool {
        let Some(staging) = &app.staging else { return true };
        let mut roots = staging.namespace().roots().iter();
        roots.all(|root| app.access.right_on_root(self, &root.name).is_some())
    }
}

/// A client that asks by paths where files are.
///
/// # Errors
/// Those of [`MayStage`].
pub struct PathsToRead(pub Paths);

impl FromRequestParts<AppState> for PathsToRead {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let MayStage(who) = MayStage::from_request_parts(parts, app).await?;
        Ok(Self(Paths::to(Right::Read, app, &who)))
    }
}

/// A client that has files staged by their paths.
///
/// # Errors
/// Those of [`MayStage`].
pub struct PathsToStage {
    /// The client.
    pub who: Identity,
    /// What it may name.
    pub paths: Paths,
}

impl FromRequestParts<AppState> for PathsToStage {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let MayStage(who) = MayStage::from_request_parts(parts, app).await?;
        let paths = Paths::to(Right::Stage, app, &who);
        Ok(Self { who, paths })
    }
}

impl PathsToStage {
    /// Refuses what is nothing but files that the client may not stage.
    ///
    /// # Errors
    /// 401 with `WWW-Authenticate`, or 403 if no credentials would help.
    pub fn check(&self, wanted: &[Wanted]) -> Result<(), Problem> {
        if self.paths.denied.is_empty() || wanted.iter().any(|wanted| wanted.object.is_ok()) {
            return Ok(());
        }
        let denied = wanted.iter().find_map(|wanted| self.paths.denied_staging(&wanted.spelling));
        let Some((object, would_help)) = denied else { return Ok(()) };
        let detail = format!("{} may not stage files of the root '{}'", self.who.owner, object.root());
        Err(self.who.refused(would_help, "staging", detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(denied: &[(&str, Denied)]) -> Paths {
        let root = |name: &str, base: &str| NamespaceRoot {
            name: name.into(),
            base: base.to_owned(),
            map: Vec::new(),
            store: None,
        };
        let roots = vec![root("archive", "/archive"), root("secret", "/archive/secret")];
        let denied: BTreeMap<Arc<str>, _> =
            denied.iter().map(|(name, denied)| ((*name).into(), *denied)).collect();
        let hidden = |root: &&NamespaceRoot| denied.get(&root.name) != Some(&Denied::Reading);
        let shown = roots.iter().filter(hidden).cloned().collect();
        Paths {
            namespace: Arc::new(Namespace::new(roots.clone())),
            denied: Arc::new(denied),
            shown: Arc::new(Namespace::new(shown)),
        }
    }

    #[test]
    fn what_lies_below_a_hidden_root_is_told_as_what_lies_below_none() {
        let (hidden, nothing) = (paths(&[("secret", Denied::Reading)]), Paths::all(Arc::default()));
        for spelling in ["/archive/secret/a.nc", "/archive/secret", "archive:secret/a.nc", "secret:a.nc"] {
            assert_eq!(hidden.objects(spelling), Err(nothing.objects(spelling).unwrap_err()), "{spelling}");
        }
        assert!(hidden.hides() && hidden.roots().root("secret").is_none());
        let archive = hidden.roots().root("archive").unwrap();
        assert_eq!(hidden.hidden_below(archive), ["secret"]);
        // As it stands it is another file, of the root around.
        let names = hidden.objects("/archive/%73ecret/a.nc").unwrap();
        assert_eq!(names.iter().map(ToString::to_string).collect::<Vec<_>>(), ["archive:%73ecret/a.nc"]);
    }

    #[test]
    fn what_is_there_and_may_not_be_staged_says_so() {
        let denied = paths(&[("secret", Denied::Staging { would_help: false })]);
        assert_eq!(denied.objects("secret:a.nc"), Err("\"secret:a.nc\" may not be staged".to_owned()));
        assert!(denied.objects("/archive/a.nc").is_ok() && !denied.hides());
    }
}
