//! Handlers of the API besides searches: the landing page, collections, schemas, single Items.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::json;
use stac::Link;
use thermocline_http::catalogs::{below, divide};
use thermocline_http::links::segment;
use thermocline_http::{AppState, DatasetName, Problem};
use thermocline_search::{Collection as Found, Hit, OrderStatus, Query, Seen};

use crate::answer::{Asked, Freshness, away};
use crate::documents::{
    Collection, Context, GEOJSON, Item, JSON, Members, Names, SCHEMA, STAC_VERSION, conformance, landing,
    link, names,
};
use crate::problem::{Parsed, StacProblem};

/// Most Items that a collection of the API, or a part of one, links to.
const MAX_ITEM_LINKS: usize = 1000;

/// `/stac`.
pub(crate) async fn root(asked: Asked) -> Parsed<Response> {
    let collections = asked.context.seen.collections();
    asked.document(&landing(&collections, &asked.context), JSON, Freshness::Kept)
}

/// `/stac/conformance`.
pub(crate) async fn conforms(asked: Asked) -> Parsed<Response> {
    asked.document(&conformance(), JSON, Freshness::Kept)
}

/// `/stac/collections/{collection}`.
pub(crate) async fn collection(asked: Asked) -> Parsed<Response> {
    let found = find(&asked.context.seen, asked.param("collection"))?;
    let ids = asked.stac.documents.ids(&asked.context.seen, Some(&found.id)).await?;
    let example = any(&asked.context.seen, Some(&found.id)).await?;
    away(move || {
        let links = branch_links(&ids, &found.id, "", &asked);
        let example = example.as_deref().map(|hit| &*hit.summary);
        let order_statuses = asked.context.seen.order_statuses(&found.id);
        let freshness = if order_statuses.is_empty() { Freshness::Kept } else { Freshness::Live };
        let order_statuses = order_statuses.into_iter().map(OrderStatus::as_str).collect();
        let members = Members { links, order_statuses, example };
        let document = Collection::new(&found, members, &asked.context).at(&asked.self_url());
        asked.document(&document, JSON, freshness)
    })
    .await
}

/// `/stac/collections/{collection}/parts/{beginning}`: the members whose ids begin so.
pub(crate) async fn part(asked: Asked) -> Parsed<Response> {
    let found = find(&asked.context.seen, asked.param("collection"))?;
    let ids = asked.stac.documents.ids(&asked.context.seen, Some(&found.id)).await?;
    let beginning = asked.param("beginning").to_owned();
    away(move || {
        let mut links = vec![
            link("self", asked.self_url(), JSON),
            link("root", asked.context.root(), JSON),
            link("parent", asked.context.collection(&found.id), JSON),
        ];
        let members = branch_links(&ids, &found.id, &beginning, &asked);
        if members.is_empty() {
            return Err(StacProblem::not_found(format!("no id in '{}' begins with '{beginning}'", found.id)));
        }
        links.extend(members);
        let document = json!({
            "type": "Catalog",
            "stac_version": STAC_VERSION,
            "id": format!("{}-{beginning}", found.id),
            "description": format!("Datasets of {} whose ids begin with {beginning}.", found.id),
            "links": links,
        });
        asked.document(&document, JSON, Freshness::Kept)
    })
    .await
}

/// `/stac/collections/{collection}/items/{id}`.
pub(crate) async fn item(asked: Asked) -> Parsed<Response> {
    let (collection, id) = (asked.param("collection"), asked.param("id"));
    let hit = asked.context.seen.get(id).await?.filter(|hit| hit.summary.collection == collection);
    let hit = hit.ok_or_else(|| {
        StacProblem::not_found(format!("Item '{id}' not found in collection '{collection}'"))
    })?;
    let item = Item::new(&hit, &asked.context);
    asked.document(&item, GEOJSON, Freshness::Live)
}

/// `/datasets/{dataset_id}/stac`.
pub(crate) async fn dataset_item(DatasetName(id): DatasetName, asked: Asked) -> Parsed<Response> {
    let hit = match asked.context.seen.get(&id).await? {
        Some(hit) => hit,
        None => unlisted(&asked.context, &id).await?,
    };
    let item = Item::new(&hit, &asked.context).at(asked.context.dataset_item(&id));
    asked.document(&item, GEOJSON, Freshness::Live)
}

/// `/stac/queryables`, and of a collection.
pub(crate) async fn queryables(asked: Asked) -> Parsed<Response> {
    schema(&asked, Names::Queryables)
}

/// `/stac/sortables`, and of a collection.
pub(crate) async fn sortables(asked: Asked) -> Parsed<Response> {
    schema(&asked, Names::Sortables)
}

/// What is not there: the problem says it in STAC's words too.
pub(crate) async fn nothing(State(_): State<AppState>, uri: http::Uri) -> StacProblem {
    StacProblem::not_found(format!("No resource at '{}'", uri.path()))
}

fn schema(asked: &Asked, kind: Names) -> Parsed<Response> {
    let seen = &asked.context.seen;
    let collections = match asked.param("collection") {
        "" => seen.collections().to_vec(),
        id => vec![find(seen, id)?],
    };
    let collections: Vec<&Found> = collections.iter().map(|collection| &**collection).collect();
    let document = names(kind, &asked.self_url(), &seen.sortables(), &collections);
    asked.document(&document, SCHEMA, Freshness::Kept)
}

/// A collection by its id.
pub(crate) fn find(seen: &Seen, id: &str) -> Parsed<Arc<Found>> {
    seen.collection(id).ok_or_else(|| StacProblem::not_found(format!("Collection '{id}' not found")))
}

/// A dataset that no search finds, because it is hidden or was indexed just now.
///
/// # Errors
/// What any other of its documents answers: 404 if it does not exist, 503 while it is indexed.
async fn unlisted(Context { app, seen, .. }: &Context, id: &str) -> Parsed<Arc<Hit>> {
    let spec = app.catalog.spec(id);
    if spec.is_some_and(|spec| !seen.view().sees_rule(spec.access.as_deref())) {
        return Err(StacProblem::not_found(format!("Dataset '{id}' not found")));
    }
    let manifest = app.catalog.open(id).await.map_err(Problem::for_metadata)?;
    let summary = app.search.describe(&manifest).await?;
    Ok(Arc::new(Hit { summary, order: None }))
}

/// Any dataset, or any of a collection, for what all have in common.
pub(crate) async fn any(seen: &Seen, collection: Option<&str>) -> Parsed<Option<Arc<Hit>>> {
    let collections = collection.map(|id| vec![id.to_owned()]);
    let found = seen.find(Query { collections, limit: 1, ..Query::default() }).await?;
    Ok(found.hits.into_iter().next())
}

/// Links to the members of a collection whose ids begin so, or to parts of them.
fn branch_links(ids: &[Box<str>], collection: &str, beginning: &str, asked: &Asked) -> Vec<Link> {
    let division = divide(below(ids, beginning), MAX_ITEM_LINKS);
    let context = &asked.context;
    let items = division.direct.into_iter().map(|id| link("item", context.item(collection, &id), GEOJSON));
    let parts = division.groups.into_iter().map(|group| {
        let href = format!("{}/parts/{}", context.collection(collection), segment(&group.prefix));
        link("child", href, JSON).title(format!("{}… ({})", group.prefix, group.n_ids))
    });
    items.chain(parts).collect()
}
