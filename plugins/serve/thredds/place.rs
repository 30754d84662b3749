//! Places in the tree of catalogs, and what each of them names.

use thermocline_core::Result;
use thermocline_http::Problem;
use thermocline_http::catalogs::{Documents, below, divide};
use thermocline_http::links::{BaseUrl, segment};
use thermocline_search::{Query, Seen};

/// Most datasets in one document; beyond it they are divided by what their ids begin with.
const MAX_NAMED: usize = 5000;

/// A place in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// All collections; the datasets themselves if there is one collection only.
    Top,
    /// A collection.
    Collection(String),
    /// Those datasets of a collection whose ids begin with a text.
    Prefix {
        /// The collection.
        collection: String,
        /// What ids begin with.
        prefix: String,
    },
}

/// A catalog that another one refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Name, of which there is no second one in the same catalog.
    pub(crate) name: String,
    /// For people.
    pub(crate) description: String,
    /// Where it is.
    pub(crate) place: Place,
}

/// What a catalog names.
#[derive(Debug, Clone)]
pub(crate) struct Contents {
    /// Other catalogs.
    pub(crate) references: Vec<Reference>,
    /// Datasets; `None` for none.
    pub(crate) datasets: Option<Query>,
}

impl Place {
    /// Address of its document, `ending` being `xml` or `html`.
    pub(crate) fn url(&self, base: &BaseUrl, ending: &str) -> String {
        let base = &base.0;
        match self {
            Self::Top => format!("{base}/catalog.{ending}"),
            Self::Collection(collection) => format!("{base}/catalog/{}.{ending}", segment(collection)),
            Self::Prefix { collection, prefix } => {
                format!("{base}/catalog/{}/{}.{ending}", segment(collection), segment(prefix))
            }
        }
    }

    /// For people.
    pub(crate) fn title(&self, seen: &Seen) -> String {
        match self {
            Self::Top => "Thermocline".to_owned(),
            Self::Collection(collection) => {
                let spec = seen.collection(collection).and_then(|found| found.spec.clone());
                spec.and_then(|spec| spec.title.clone()).unwrap_or_else(|| collection.clone())
            }
            Self::Prefix { collection, prefix } => format!("{collection}: {prefix}…"),
        }
    }

    /// What its catalog names.
    ///
    /// # Errors
    /// 404 for a place without datasets.
    pub(crate) async fn contents(&self, documents: &Documents, seen: &Seen) -> Result<Contents, Problem> {
        match self {
            Self::Top => match only_collection(seen) {
                Some(only) => self.members(&only, "", documents, seen).await,
                None => Ok(top(seen)),
            },
            Self::Collection(collection) => self.members(collection, "", documents, seen).await,
            Self::Prefix { collection, prefix } => self.members(collection, prefix, documents, seen).await,
        }
    }

    async fn members(
        &self,
        collection: &str,
        prefix: &str,
        documents: &Documents,
        seen: &Seen,
    ) -> Result<Contents, Problem> {
        let found = seen.collection(collection);
        let found =
            found.ok_or_else(|| Problem::not_found(format!("Collection '{collection}' not found")))?;
        let collections = Some(vec![collection.to_owned()]);
        if prefix.is_empty() && usize::try_from(found.n_items).is_ok_and(|n_items| n_items <= MAX_NAMED) {
            let datasets = Some(Query { collections, ..Query::default() });
            return Ok(Contents { references: Vec::new(), datasets });
        }
        let ids = documents.ids(seen, Some(collection)).await?;
        let ids = below(&ids, prefix);
        if ids.is_empty() {
            let message =
                format!("No dataset of collection '{collection}' has an id that begins with '{prefix}'");
            return Err(Problem::not_found(message));
        }
        let division = divide(ids, MAX_NAMED);
        let references = division.groups.into_iter().map(|group| Reference {
            description: format!("{} datasets whose ids begin with {}", group.n_ids, group.prefix),
            name: group.prefix.clone(),
            place: Self::Prefix { collection: collection.to_owned(), prefix: group.prefix },
        });
        let references = references.collect();
        let ids = Some(division.direct).filter(|ids| !ids.is_empty());
        Ok(Contents {
            references,
            datasets: ids.map(|ids| Query { ids: Some(ids), collections, ..Query::default() }),
        })
    }
}

/// The collection of a server that has no second one. intake-thredds opens catalogs within catalogs by OPeNDAP
/// whatever it was told, so that a needless one costs its users their datasets.
fn only_collection(seen: &Seen) -> Option<String> {
    let collections = seen.collections();
    let mut filled = collections.iter().filter(|collection| collection.n_items > 0);
    let first = filled.next()?;
    filled.next().is_none().then(|| first.id.clone())
}

fn top(seen: &Seen) -> Contents {
    let collections = seen.collections();
    let references = collections.iter().filter(|collection| collection.n_items > 0).map(|collection| {
        let title = collection.spec.as_ref().and_then(|spec| spec.title.as_deref());
        let title = title.unwrap_or(&collection.id);
        Reference {
            name: collection.id.clone(),
            description: format!("{title}: {} datasets", collection.n_items),
            place: Place::Collection(collection.id.clone()),
        }
    });
    Contents { references: references.collect(), datasets: None }
}
