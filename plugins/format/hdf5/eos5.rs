//! HDF-EOS5: `StructMetadata` names the dimensions of grid, swath and zonal-average fields that have no scales.
//!
//! # Specification
//! HDF-EOS Interface Based on HDF5 (170-EMD-001): structural metadata in the Object Description Language.

use std::collections::HashMap;

use crate::dimensions::Hints;
use crate::files::join;
use crate::tree::GroupNode;

/// The arrays that hold the structural metadata, in order: `StructMetadata.0`, `.1`, …
pub(crate) fn metadata_paths(root: &GroupNode) -> Vec<String> {
    let Some(group) = root.groups.iter().find(|group| group.name == "HDFEOS INFORMATION") else {
        return Vec::new();
    };
    let mut paths: Vec<(u32, String)> = group
        .arrays
        .iter()
        .filter_map(|node| {
            let number = node.name.strip_prefix("StructMetadata.")?.parse().ok()?;
            Some((number, node.path.clone()))
        })
        .collect();
    paths.sort();
    paths.into_iter().map(|(_, path)| path).collect()
}

/// The dimension names of every field that the metadata name, by the path of the field.
pub(crate) fn hints(metadata: &str) -> Hints {
    let mut hints = HashMap::new();
    let (mut kind, mut structure) = (None, None);
    let mut field: Option<(&str, String)> = None;
    for (key, value) in statements(metadata) {
        match (key, value.as_str()) {
            ("GROUP", "GridStructure") => kind = Some("HDFEOS/GRIDS"),
            ("GROUP", "SwathStructure") => kind = Some("HDFEOS/SWATHS"),
            ("GROUP", "ZaStructure") => kind = Some("HDFEOS/ZAS"),
            ("END_GROUP", "GridStructure" | "SwathStructure" | "ZaStructure") => {
                (kind, structure) = (None, None)
            }
            ("GridName" | "SwathName" | "ZaName", name) => structure = Some(name.to_owned()),
            ("DataFieldName", name) => field = Some(("Data Fields", name.to_owned())),
            ("GeoFieldName", name) => field = Some(("Geolocation Fields", name.to_owned())),
            ("DimList", list) => {
                if let (Some(kind), Some(structure), Some((folder, name))) = (kind, &structure, field.take())
                {
                    let path = join(&join(&join(kind, structure), folder), &name);
                    hints.insert(path, names(list));
                }
            }
            _ => {}
        }
    }
    hints
}

/// `key=value` statements; a value in parentheses may go over several lines. Quotes are taken off.
fn statements(metadata: &str) -> Vec<(&str, String)> {
    let mut statements = Vec::new();
    let mut lines = metadata.lines();
    while let Some(line) = lines.next() {
        let Some((key, value)) = line.split_once('=') else { continue };
        let mut value = value.trim().to_owned();
        while value.starts_with('(') && !value.ends_with(')') {
            let Some(more) = lines.next() else { break };
            value.push_str(more.trim());
        }
        let value = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'))
            .map(str::to_owned)
            .unwrap_or(value);
        statements.push((key.trim(), value));
    }
    statements
}

/// The names in a list like `("YDim","XDim")`.
fn names(list: &str) -> Vec<String> {
    list.trim_matches(['(', ')'])
        .split(',')
        .map(|name| name.trim().trim_matches('"').to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_grids_and_swaths_have_their_dimensions() {
        let metadata = "GROUP=SwathStructure\n\tGROUP=SWATH_1\n\t\tSwathName=\"Orbit\"\n\t\tOBJECT=GeoField_1\n\
            \t\t\tGeoFieldName=\"Latitude\"\n\t\t\tDimList=(\"nTimes\",\n\t\t\t\"nXtrack\")\n\t\tEND_OBJECT=GeoField_1\n\
            END_GROUP=SwathStructure\nGROUP=GridStructure\n\tGridName=\"Daily\"\n\tDataFieldName=\"Ozone\"\n\
            \tDimList=(\"YDim\",\"XDim\")\nEND_GROUP=GridStructure\nEND\n";
        let hints = hints(metadata);
        assert_eq!(hints["HDFEOS/SWATHS/Orbit/Geolocation Fields/Latitude"], ["nTimes", "nXtrack"]);
        assert_eq!(hints["HDFEOS/GRIDS/Daily/Data Fields/Ozone"], ["YDim", "XDim"]);
    }
}
