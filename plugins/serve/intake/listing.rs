//! Catalogs of all datasets.

use std::fmt::Write;

use axum::response::Response;
use thermocline_core::Result;
use thermocline_http::catalogs::{Asked, Division, DocumentKey, PrefixGroup, below, divide, write_hits};
use thermocline_http::links::{BaseUrl, segment};
use thermocline_http::{AppState, Problem};
use thermocline_search::{Query, Seen, Summary};

use crate::source::{self, SourceWriter};
use crate::yaml::{quoted, scalar};
use crate::{Catalogs, YAML, jinja};

/// The driver of a catalog within a catalog, by its whole name: intake 0.7 and 2 both find it without a plugin.
const NESTED_DRIVER: &str = "intake.catalog.local.YAMLFileCatalog";

/// What a catalog has for each dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A source.
    Sources,
    /// A catalog of its own.
    Nested,
}

impl Kind {
    /// Address without the ending.
    fn path(self) -> &'static str {
        match self {
            Self::Sources => "/intake",
            Self::Nested => "/intake-nested",
        }
    }
}

/// Answers with the catalog of all datasets.
pub(crate) async fn whole(catalogs: &Catalogs, kind: Kind, asked: &Asked) -> Result<Response, Problem> {
    let key = DocumentKey::new(&asked.seen, &asked.base, kind.path());
    let document = catalogs.documents.get_or_write(key, write(catalogs, kind, "", asked)).await?;
    Ok(asked.respond(document, YAML))
}

/// Answers with the catalog of the datasets whose ids begin with `prefix`.
pub(crate) async fn prefixed(
    catalogs: &Catalogs,
    kind: Kind,
    prefix: &str,
    asked: &Asked,
) -> Result<Response, Problem> {
    let ids = catalogs.documents.ids(&asked.seen, None).await?;
    if below(&ids, prefix).is_empty() {
        return Err(Problem::not_found(format!("No id of a dataset begins with '{prefix}'")));
    }
    let key = DocumentKey::new(&asked.seen, &asked.base, format!("{}/{prefix}", kind.path()));
    let document = catalogs.documents.get_or_write(key, write(catalogs, kind, prefix, asked)).await?;
    Ok(asked.respond(document, YAML))
}

async fn write(catalogs: &Catalogs, kind: Kind, prefix: &str, asked: &Asked) -> Result<Vec<u8>> {
    let base = &asked.base;
    let mut yaml = head(kind, prefix, base);
    let head_len = yaml.len();
    let query = match division(catalogs, prefix, &asked.seen).await? {
        None => Query::default(),
        Some(Division { direct, groups }) => {
            groups.iter().for_each(|group| push_group(&mut yaml, kind, group, base));
            Query { ids: Some(direct), ..Query::default() }
        }
    };
    let is_empty = query.ids.as_ref().is_some_and(Vec::is_empty);
    if !is_empty {
        yaml = write_datasets(kind, query, yaml, asked).await?;
    }
    if yaml.len() == head_len {
        yaml.truncate(yaml.trim_end().len());
        yaml.push_str(" {}\n");
    }
    Ok(yaml.into_bytes())
}

/// How the datasets below a prefix are divided; `None` if there are so few that all are named.
async fn division(catalogs: &Catalogs, prefix: &str, seen: &Seen) -> Result<Option<Division>> {
    let max = catalogs.settings.nested_above;
    if prefix.is_empty() && usize::try_from(seen.n_items()).is_ok_and(|n_items| n_items <= max) {
        return Ok(None);
    }
    let ids = catalogs.documents.ids(seen, None).await?;
    Ok(Some(divide(below(&ids, prefix), max)))
}

async fn write_datasets(kind: Kind, query: Query, yaml: String, asked: &Asked) -> Result<String> {
    let Asked { app, base, seen, .. } = asked;
    let (writer, base, app_of_entries) = (SourceWriter::new(app, base), base.clone(), AppState::clone(app));
    write_hits(seen, query, yaml, move |yaml, hit| match kind {
        Kind::Sources => writer.push(yaml, &hit.summary),
        Kind::Nested if source::methods(&app_of_entries, &hit.summary).is_empty() => {}
        Kind::Nested => push_catalog(yaml, &hit.summary, &base),
    })
    .await
}

fn head(kind: Kind, prefix: &str, base: &BaseUrl) -> String {
    let rest = if prefix.is_empty() { String::new() } else { format!("/{}", segment(prefix)) };
    let url = format!("{}{}{rest}.yaml", base.0, kind.path());
    format!(
        "metadata: {{version: 1, source: thermocline, access_url: {}}}\nsources:\n",
        quoted(&jinja::escaped(&url))
    )
}

fn push_group(yaml: &mut String, kind: Kind, group: &PrefixGroup, base: &BaseUrl) {
    let PrefixGroup { prefix, n_ids } = group;
    let url = format!("{}{}/{}.yaml", base.0, kind.path(), segment(prefix));
    push_nested(yaml, (prefix, &format!("{n_ids} datasets whose ids begin with {prefix}")), &url);
}

fn push_catalog(yaml: &mut String, summary: &Summary, base: &BaseUrl) {
    let url = format!("{}/catalog.yaml", base.dataset(&summary.id));
    push_nested(yaml, (&summary.id, summary.display_title()), &url);
}

fn push_nested(yaml: &mut String, (name, description): (&str, &str), url: &str) {
    // Writing into a text does not fail.
    let _ = writeln!(
        yaml,
        "  {}:\n    description: {}\n    driver: {NESTED_DRIVER}\n    args: {{path: {}}}",
        scalar(name),
        quoted(description),
        quoted(&jinja::escaped(url))
    );
}
