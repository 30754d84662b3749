//! A place's catalog as XML.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use axum::response::Response;
use quick_xml::Writer;
use quick_xml::events::{BytesStart, Event};
use thermocline_core::{Error, Result};
use thermocline_http::Problem;
use thermocline_http::catalogs::{Asked, DocumentKey, Documents, write_hits};
use thermocline_http::links::BaseUrl;

use crate::XML;
use crate::dataset::{self, service_name};
use crate::place::{Contents, Place, Reference};
use crate::xml::{Xml, allowed, push_attributed, push_declaration};

const NAMESPACE: &str = "http://www.unidata.ucar.edu/namespaces/thredds/InvCatalog/v1.0";
const XLINK: &str = "http://www.w3.org/1999/xlink";

/// Answers with the catalog of a place.
pub(crate) async fn answer(documents: &Documents, place: &Place, asked: &Asked) -> Result<Response, Problem> {
    let Asked { seen, base, .. } = asked;
    let contents = place.contents(documents, seen).await?;
    let key = DocumentKey::new(seen, base, place.url(base, "xml"));
    let title = place.title(seen);
    let document = documents.get_or_write(key, write(contents, &title, asked)).await?;
    Ok(asked.respond(document, XML))
}

/// Datasets that are written, and the types of services that they need.
struct Body {
    xml: Xml,
    services: BTreeSet<&'static str>,
}

async fn write(contents: Contents, title: &str, asked: &Asked) -> Result<Vec<u8>> {
    let Asked { app, seen, base, .. } = asked;
    let mut body = Body { xml: Writer::new(Vec::new()), services: BTreeSet::new() };
    for reference in &contents.references {
        push_reference(&mut body.xml, reference, base).map_err(unwritten)?;
    }
    if let Some(query) = contents.datasets {
        let app_of_datasets = Arc::clone(app);
        body = write_hits(seen, query, body, move |body, hit| {
            let methods = app_of_datasets.access_methods(&hit.summary);
            // Writing into memory does not fail.
            let _ = dataset::push(&mut body.xml, &hit.summary, &methods, &mut body.services);
        })
        .await?;
    }
    whole(body, title, base).map_err(unwritten)
}

/// The services that the datasets need, then the datasets.
fn whole(body: Body, title: &str, base: &BaseUrl) -> io::Result<Vec<u8>> {
    let mut xml = Writer::new(Vec::new());
    push_declaration(&mut xml)?;
    let attributes =
        [("xmlns", NAMESPACE), ("xmlns:xlink", XLINK), ("version", "1.0.1"), ("name", &allowed(title))];
    xml.write_event(Event::Start(BytesStart::new("catalog").with_attributes(attributes)))?;
    if !body.services.is_empty() {
        let element = xml.create_element("service").with_attribute(("name", "all"));
        let element = element.with_attributes([("serviceType", "Compound"), ("base", "")]);
        element.write_inner_content(|xml| {
            body.services.iter().try_for_each(|service_type| push_service(xml, service_type, base))
        })?;
    }
    let mut bytes = xml.into_inner();
    bytes.extend(body.xml.into_inner());
    bytes.extend_from_slice(b"</catalog>\n");
    Ok(bytes)
}

fn push_service(xml: &mut Xml, service_type: &str, base: &BaseUrl) -> io::Result<()> {
    xml.create_element("service")
        .with_attribute(("name", service_name(service_type).as_str()))
        .with_attribute(("serviceType", service_type))
        .with_attribute(("base", format!("{}/datasets/", base.0).as_str()))
        .write_empty()?;
    Ok(())
}

/// Clients keep catalogs by their titles as they keep datasets by their names.
fn push_reference(xml: &mut Xml, reference: &Reference, base: &BaseUrl) -> io::Result<()> {
    let name = allowed(&reference.name);
    xml.create_element("catalogRef")
        .with_attribute(("xlink:href", reference.place.url(base, "xml").as_str()))
        .with_attribute(("xlink:title", name.as_ref()))
        .with_attribute(("name", ""))
        .write_inner_content(|xml| {
            push_attributed(xml, "documentation", ("type", "title"), &reference.description)
        })?;
    Ok(())
}

fn unwritten(cause: io::Error) -> Error {
    Error::internal("a catalog was not written").with_source(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogs_are_referred_to_by_names_of_which_there_is_one() {
        let mut xml = Writer::new(Vec::new());
        let place = Place::Prefix { collection: "c d".to_owned(), prefix: "era5.".to_owned() };
        let reference = Reference { name: "era5.".to_owned(), description: "2 < 3".to_owned(), place };
        push_reference(&mut xml, &reference, &BaseUrl("http://h".into())).unwrap();
        assert_eq!(
            String::from_utf8(xml.into_inner()).unwrap(),
            "<catalogRef xlink:href=\"http://h/catalog/c%20d/era5..xml\" xlink:title=\"era5.\" name=\"\">\
             <documentation type=\"title\">2 &lt; 3</documentation></catalogRef>"
        );
    }
}
