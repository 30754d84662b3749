//! Handlers of the API besides searches: the landing page, collections, schemas, single Items.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::json;
use stac::Link;
use thermocline_http::catalogs::{below, divide};
use thermocline_http::links::segment;
use thermocline_http::{App, AppState, DatasetName};
use thermocline_search::{
    Collection as Found, Comparison, Filter, Hit, Operand, OrderStatus, PropertyName, Query,
};

use crate::answer::{Asked, Freshness, away};
use crate::documents::{
    Collection, GEOJSON, Item, JSON, Members, Names, SCHEMA, STAC_VERSION, conformance, landing, link, names,
};
use crate::problem::{Parsed, StacProblem};

/// Most Items that a collection of the API, or a part of one, links to.
const MAX_ITEM_LINKS: usize = 1000;

/// Every state of staging.
const ORDER_STATUSES: [OrderStatus; 7] = [
    OrderStatus::Orderable,
    OrderStatus::Ordered,
    OrderStatus::Pending,
    OrderStatus::Shipping,
    OrderStatus::Succeeded,
    OrderStatus::Failed,
    OrderStatus::Canceled,
];

/// `/stac`.
pub(crate) async fn root(asked: Asked) -> Parsed<Response> {
    let collections = asked.context.app.search.collections();
    asked.document(&landing(&collections, &asked.context), JSON, Freshness::Kept)
}

/// `/stac/conformance`.
pub(crate) async fn conforms(asked: Asked) -> Parsed<Response> {
    asked.document(&conformance(), JSON, Freshness::Kept)
}

/// `/stac/collections/{collection}`.
pub(crate) async fn collection(asked: Asked) -> Parsed<Response> {
    let found = find(&asked.context.app, asked.param("collection"))?;
    let ids = asked.stac.documents.ids(&asked.context.app.search, Some(&found.id)).await?;
    let example = any(&asked.context.app).await?;
    let order_statuses = order_statuses(&asked.context.app, &found.id).await?;
    away(move || {
        let links = branch_links(&ids, &found.id, "", &asked);
        let example = example.as_deref().map(|hit| &*hit.summary);
        let members = Members { links, order_statuses, example };
        let document = Collection::new(&found, members, &asked.context);
        asked.document(&document, JSON, Freshness::Kept)
    })
    .await
}

/// `/stac/collections/{collection}/parts/{beginning}`: the members whose ids begin so.
pub(crate) async fn part(asked: Asked) -> Parsed<Response> {
    let found = find(&asked.context.app, asked.param("collection"))?;
    let ids = asked.stac.documents.ids(&asked.context.app.search, Some(&found.id)).await?;
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
    let hit = asked.context.app.search.get(id).await?.filter(|hit| hit.summary.collection == collection);
    let hit = hit.ok_or_else(|| {
        StacProblem::not_found(format!("Item '{id}' not found in collection '{collection}'"))
    })?;
    let item = Item::new(&hit, &asked.context);
    asked.document(&item, GEOJSON, Freshness::Live)
}

/// `/datasets/{dataset_id}/stac`.
pub(crate) async fn dataset_item(DatasetName(id): DatasetName, asked: Asked) -> Parsed<Response> {
    let hit = asked.context.app.search.get(&id).await?;
    let hit = hit.ok_or_else(|| StacProblem::not_found(format!("Dataset '{id}' not found")))?;
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
    let app = &asked.context.app;
    let collections = match asked.param("collection") {
        "" => app.search.collections().to_vec(),
        id => vec![find(app, id)?],
    };
    let collections: Vec<&Found> = collections.iter().map(|collection| &**collection).collect();
    let document = names(kind, &asked.self_url(), &app.search.sortables(), &collections);
    asked.document(&document, SCHEMA, Freshness::Kept)
}

/// A collection by its id.
pub(crate) fn find(app: &App, id: &str) -> Parsed<Arc<Found>> {
    app.search.collection(id).ok_or_else(|| StacProblem::not_found(format!("Collection '{id}' not found")))
}

/// Any dataset, for what all have in common.
pub(crate) async fn any(app: &App) -> Parsed<Option<Arc<Hit>>> {
    let found = app.search.find(Query { limit: 1, ..Query::default() }).await?;
    Ok(found.hits.into_iter().next())
}

/// Where the staging of members of a collection stands: every state that one of them is in.
async fn order_statuses(app: &App, collection: &str) -> Parsed<Vec<&'static str>> {
    let mut found = Vec::new();
    if app.staging.is_none() {
        return Ok(found);
    }
    for status in ORDER_STATUSES.map(OrderStatus::as_str) {
        let property = Operand::Property(PropertyName::new("order:status"));
        let filter = Filter::Compare(Comparison::Equal, property, Operand::Text(status.to_owned()));
        let collections = Some(vec![collection.to_owned()]);
        let query = Query { collections, filter: Some(filter), limit: 1, ..Query::default() };
        if app.search.find(query).await?.n_matched > 0 {
            found.push(status);
        }
    }
    Ok(found)
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
