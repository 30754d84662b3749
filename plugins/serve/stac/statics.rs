//! Documents with a link to every Item, for clients that know no API.

use std::sync::Arc;

use axum::response::Response;
use stac::Link;
use thermocline_core::{Error, Result};
use thermocline_http::catalogs::{DocumentKey, below, divide};
use thermocline_http::links::segment;
use thermocline_search::Collection as Found;

use crate::answer::{Asked, encoded};
use crate::api::find;
use crate::documents::{Collection, Context, GEOJSON, JSON, link};
use crate::problem::Parsed;

/// What a document lists.
struct Listed {
    context: Context,
    href: String,
    ids: Arc<[Box<str>]>,
}

/// `/stac-collection-all.json`.
pub(crate) async fn all(asked: Asked) -> Parsed<Response> {
    let href = format!("{}/stac-collection-all.json", asked.context.base.0);
    kept(asked, href, None).await
}

/// `/stac-collection-part/{collection}`, and below it the members whose ids begin in some way.
pub(crate) async fn part(asked: Asked) -> Parsed<Response> {
    let found = find(&asked.context.seen, asked.param("collection"))?;
    let href = part_href(&asked.context, &found.id, asked.param("beginning"));
    kept(asked, href, Some(found)).await
}

async fn kept(asked: Asked, href: String, collection: Option<Arc<Found>>) -> Parsed<Response> {
    let (context, documents) = (asked.context.clone(), &asked.stac.documents);
    let key = DocumentKey::new(&context.seen, &context.base, href.as_str());
    let written = documents.get_or_write(key, async {
        let id = collection.as_ref().map(|found| found.id.as_str());
        let ids = documents.ids(&context.seen, id).await?;
        let (listed, beginning) = (Listed { context, href, ids }, asked.param("beginning").to_owned());
        let writing = tokio::task::spawn_blocking(move || match collection {
            Some(found) => encoded(&listed.of_collection(&found, &beginning)?),
            None => encoded(&listed.of_all()),
        });
        writing
            .await
            .map_err(|cause| Error::internal("a static document was not written").with_source(cause))?
    });
    Ok(written.await?.respond(&asked.context.app, &asked.parts, JSON))
}

impl Listed {
    /// All datasets; a child for each collection if they are too many.
    fn of_all(&self) -> Collection {
        let Context { seen, settings, .. } = &self.context;
        let collections = seen.collections();
        let found: Vec<&Found> = collections.iter().map(|collection| &**collection).collect();
        let mut document = Collection::all(&found, settings.title.clone(), settings.description.clone());
        document.links = self.own_links();
        if self.ids.len() <= settings.static_max_items {
            document.links.extend(self.ids.iter().map(|id| item_link(id, &self.context)));
            return document;
        }
        let filled = found.iter().filter(|collection| collection.n_items > 0);
        document.links.extend(filled.map(|collection| {
            link("child", part_href(&self.context, &collection.id, ""), JSON).title(collection.id.clone())
        }));
        document
    }

    /// A collection, or those of its members whose ids begin in some way.
    fn of_collection(&self, found: &Found, beginning: &str) -> Result<Collection> {
        let within = below(&self.ids, beginning);
        if within.is_empty() && !beginning.is_empty() {
            return Err(Error::not_found(format!("no id in '{}' begins with '{beginning}'", found.id)));
        }
        let division = divide(within, self.context.settings.static_max_items.max(1));
        let mut document = Collection::described(found);
        if !beginning.is_empty() {
            document = document.renamed(format!("{}-{beginning}", found.id));
        }
        document.links = self.own_links();
        document.links.extend(division.direct.iter().map(|id| item_link(id, &self.context)));
        document.links.extend(division.groups.into_iter().map(|group| {
            let href = part_href(&self.context, &found.id, &group.prefix);
            link("child", href, JSON).title(format!("{}… ({})", group.prefix, group.n_ids))
        }));
        Ok(document)
    }

    fn own_links(&self) -> Vec<Link> {
        let root = format!("{}/stac-collection-all.json", self.context.base.0);
        vec![link("self", self.href.clone(), JSON), link("root", root, JSON)]
    }
}

fn item_link(id: &str, context: &Context) -> Link {
    link("item", context.dataset_item(id), GEOJSON)
}

fn part_href(context: &Context, collection: &str, beginning: &str) -> String {
    let part = if beginning.is_empty() { String::new() } else { format!("/{}", segment(beginning)) };
    format!("{}/stac-collection-part/{}{part}", context.base.0, segment(collection))
}
