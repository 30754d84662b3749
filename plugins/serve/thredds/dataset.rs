//! A dataset as an element of a catalog.
//!
//! # Source
//! THREDDS client catalog 1.0.1, elements `dataset`, `access` and those of `threddsMetadata`.

use std::collections::BTreeSet;
use std::io;

use thermocline_http::AccessMethod;
use thermocline_http::links::segment;
use thermocline_search::{Extent, Span, Summary, instant_text};

use crate::xml::{Xml, allowed, push_attributed, push_text};

/// Most data variables that are named.
const MAX_VARIABLES: usize = 500;

/// Name of the service of a type.
pub(crate) fn service_name(service_type: &str) -> String {
    service_type.to_ascii_lowercase()
}

/// Adds a dataset with the addresses that THREDDS clients know, and their types to `services`. Nothing without one.
///
/// # Errors
/// None: what is written to is in memory.
pub(crate) fn push(
    xml: &mut Xml,
    summary: &Summary,
    methods: &[AccessMethod],
    services: &mut BTreeSet<&'static str>,
) -> io::Result<()> {
    let accesses = accesses(methods);
    if accesses.is_empty() {
        return Ok(());
    }
    services.extend(accesses.iter().map(|(service_type, _)| *service_type));
    let id = allowed(&summary.id);
    let element = xml.create_element("dataset").with_attribute(("name", id.as_ref()));
    element.with_attribute(("ID", id.as_ref())).write_inner_content(|xml| {
        push_documentation(xml, summary)?;
        push_attributed(xml, "dataSize", ("units", "bytes"), &summary.len_bytes.to_string())?;
        if summary.updated_ns > 0 {
            push_attributed(
                xml,
                "date",
                ("type", "modified"),
                &instant_text(summary.updated_ns / 1_000_000_000 * 1_000_000),
            )?;
        }
        push_time(xml, &summary.span)?;
        if let Some(extent) = &summary.extent {
            push_space(xml, extent)?;
        }
        push_variables(xml, summary)?;
        for (service_type, path) in &accesses {
            xml.create_element("access")
                .with_attribute(("serviceName", service_name(service_type).as_str()))
                .with_attribute(("urlPath", format!("{}{path}", segment(&summary.id)).as_str()))
                .write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Types of services and paths; clients keep one address for each type.
fn accesses(methods: &[AccessMethod]) -> Vec<(&'static str, &str)> {
    let mut accesses: Vec<(&'static str, &str)> = Vec::new();
    for method in methods {
        let Some(service_type) = method.thredds_service else { continue };
        if !accesses.iter().any(|(known, _)| *known == service_type) {
            accesses.push((service_type, &method.path));
        }
    }
    accesses
}

fn push_documentation(xml: &mut Xml, summary: &Summary) -> io::Result<()> {
    push_attributed(xml, "documentation", ("type", "title"), summary.display_title())?;
    if let Some(description) = &summary.description {
        push_attributed(xml, "documentation", ("type", "summary"), description)?;
    }
    if let Some(license) = &summary.license {
        push_attributed(xml, "documentation", ("type", "rights"), license)?;
    }
    summary.keywords.iter().try_for_each(|keyword| push_text(xml, "keyword", keyword))
}

fn push_time(xml: &mut Xml, span: &Span) -> io::Result<()> {
    xml.create_element("timeCoverage").write_inner_content(|xml| {
        push_text(xml, "start", &span.start_text())?;
        push_text(xml, "end", &span.end_text())
    })?;
    Ok(())
}

fn push_space(xml: &mut Xml, extent: &Extent) -> io::Result<()> {
    let [west, south, east, north] = extent.bbox;
    let width = if east < west { east - west + 360.0 } else { east - west };
    xml.create_element("geospatialCoverage").write_inner_content(|xml| {
        push_range(xml, "northsouth", (south, north - south), "degrees_north")?;
        push_range(xml, "eastwest", (west, width), "degrees_east")
    })?;
    Ok(())
}

fn push_range(xml: &mut Xml, name: &str, (start, size): (f64, f64), units: &str) -> io::Result<()> {
    xml.create_element(name).write_inner_content(|xml| {
        push_text(xml, "start", &degrees(start))?;
        push_text(xml, "size", &degrees(size))?;
        push_text(xml, "units", units)
    })?;
    Ok(())
}

/// Boxes are rounded to a millionth of a degree; so are their differences.
fn degrees(value: f64) -> String {
    ((value * 1e6).round() / 1e6).to_string()
}

fn push_variables(xml: &mut Xml, summary: &Summary) -> io::Result<()> {
    if summary.data_variables().next().is_none() {
        return Ok(());
    }
    xml.create_element("variables").with_attribute(("vocabulary", "CF")).write_inner_content(|xml| {
        for variable in summary.data_variables().take(MAX_VARIABLES) {
            let mut element =
                xml.create_element("variable").with_attribute(("name", allowed(&variable.name).as_ref()));
            if let Some(standard_name) = &variable.standard_name {
                element = element.with_attribute(("vocabulary_name", allowed(standard_name).as_ref()));
            }
            if let Some(unit) = &variable.unit {
                element = element.with_attribute(("units", allowed(unit).as_ref()));
            }
            match &variable.long_name {
                Some(long_name) => {
                    let text = allowed(long_name);
                    element.write_text_content(quick_xml::events::BytesText::new(&text))?;
                }
                None => {
                    element.write_empty()?;
                }
            }
        }
        Ok(())
    })?;
    Ok(())
}
