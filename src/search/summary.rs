//! What catalogs tell of one dataset without opening it.

use serde::{Deserialize, Serialize};
use thermocline_core::catalog::DataProvider;

/// What catalogs tell of one dataset without opening it.
///
/// Made from the manifest and the catalog entry; locality is no part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Id of the dataset.
    pub id: String,
    /// The STAC collection that it belongs to.
    pub collection: String,
    /// Title for people: of the catalog entry, else of the data.
    pub title: Option<String>,
    /// Longer plain text for people: of the catalog entry, else the attributes `summary`, `comment`.
    pub description: Option<String>,
    /// Keywords of the catalog entry, else of the attribute `keywords` (ACDD, separated by commas).
    pub keywords: Vec<String>,
    /// Who made, processes, licenses or hosts the data.
    pub providers: Vec<DataProvider>,
    /// SPDX id or `other`; `None` if nobody said.
    pub license: Option<String>,
    /// Where the licence stands.
    pub license_url: Option<String>,
    /// Version of the data.
    pub version: Option<String>,
    /// Digital object identifier of the data, without `https://doi.org/`.
    pub doi: Option<String>,
    /// Where on the earth; `None` without horizontal coordinates.
    pub extent: Option<Extent>,
    /// When.
    pub span: Span,
    /// Dimensions of data variables, in order of first use.
    pub dimensions: Vec<CubeDimension>,
    /// Variables of the root group's tree by path: data variables first, then auxiliary coordinates.
    pub variables: Vec<CubeVariable>,
    /// Searchable global attributes by their plain names (without the prefix of STAC), in order of the data.
    pub attributes: Vec<(String, Value)>,
    /// Source objects, at most the first hundred.
    pub sources: Vec<SourceObject>,
    /// How many source objects there are.
    pub n_sources: u64,
    /// Bytes of all source objects.
    pub len_bytes: u64,
    /// Path of the format plugin's id: `hdf5`, `netcdf`, `zarr`, `kerchunk`.
    pub format: String,
    /// When it was first summarised, in nanoseconds since 1970.
    pub created_ns: i64,
    /// When what is told of it last changed, in nanoseconds since 1970.
    pub updated_ns: i64,
}

impl Summary {
    /// The title, else the id.
    pub fn display_title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.id)
    }

    /// Data variables.
    pub fn data_variables(&self) -> impl Iterator<Item = &CubeVariable> {
        self.variables.iter().filter(|variable| variable.role == VariableRole::Data)
    }

    /// A searchable attribute by its plain name.
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// Where on the earth a dataset lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Extent {
    /// West, south, east, north in degrees, longitudes in [−180, 180]. West beyond east crosses the antimeridian
    /// (RFC 7946, section 5.2).
    pub bbox: [f64; 4],
    /// A closed ring of longitude and latitude that outlines the data closer than the box; `None` for the box itself.
    pub footprint: Option<Vec<[f64; 2]>>,
}

/// When a dataset lies: instants of the proleptic Gregorian calendar in microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// First instant.
    pub start_us: i64,
    /// Last instant; that of `start_us` for a single one.
    pub end_us: i64,
    /// True for a single instant: no range is written.
    pub is_instant: bool,
    /// What was not exact, for the description: years beyond 1–9999.
    pub note: Option<String>,
}

/// What a dimension of data variables means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum DimensionKind {
    /// Along `axis` `x` or `y`, with a reference system: `"4326"`, else a PROJ string or WKT.
    Horizontal {
        /// `x` or `y`.
        axis: char,
        /// EPSG code as text, PROJ string or WKT; `None` if unknown.
        reference_system: Option<String>,
    },
    /// Along the vertical.
    Vertical,
    /// Along time; the calendar by its CF name.
    Temporal {
        /// `standard`, `noleap`, `360_day` …
        calendar: String,
    },
    /// The index of a two-dimensional or unstructured grid, or a dimension without coordinate.
    Index,
    /// Any other coordinate.
    Other,
}

/// A dimension of data variables, as the STAC extension `datacube` has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CubeDimension {
    /// Its name; with the group's path before it where groups have their own.
    pub name: String,
    /// Its length.
    pub len: u64,
    /// What it means.
    pub kind: DimensionKind,
    /// Least and greatest value of its coordinate in its own units, or first and last index. Of times `None`: they
    /// are in `times_us`.
    pub extent: Option<[f64; 2]>,
    /// Of times: first and last in microseconds since 1970 (proleptic Gregorian).
    pub times_us: Option<[i64; 2]>,
    /// Numbers at an equal distance are this far apart; of times an ISO 8601 duration is in `step_text`.
    pub step: Option<f64>,
    /// ISO 8601 duration between times at an equal distance.
    pub step_text: Option<String>,
    /// All values, of short coordinates that are no times (at most 64).
    pub values: Option<Vec<Value>>,
    /// Units of the coordinate.
    pub unit: Option<String>,
    /// For people.
    pub description: Option<String>,
}

/// Whether a variable is data or describes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum VariableRole {
    /// Data.
    Data,
    /// A coordinate with other dimensions than its own name, bounds, a grid mapping.
    Auxiliary,
}

/// A variable, as the STAC extension `datacube` has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CubeVariable {
    /// Its path: `tas`, `ocean/thetao`.
    pub name: String,
    /// Data or auxiliary.
    pub role: VariableRole,
    /// Names of its dimensions, as in [`Summary::dimensions`].
    pub dimensions: Vec<String>,
    /// Lengths of its dimensions.
    pub shape: Vec<u64>,
    /// `units`.
    pub unit: Option<String>,
    /// `long_name`.
    pub long_name: Option<String>,
    /// `standard_name`.
    pub standard_name: Option<String>,
    /// Type as numpy names it: `float32`.
    pub dtype: String,
    /// `_FillValue` if it is a finite number.
    pub nodata: Option<f64>,
}

/// A value of an attribute or coordinate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// A text.
    Text(String),
    /// An integer.
    Integer(i64),
    /// Any other finite number.
    Float(f64),
    /// A list of texts.
    Texts(Vec<String>),
}

/// An object that the bytes come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceObject {
    /// Absolute path, or URL. Paths are never shown to clients.
    pub href: String,
    /// Its size in bytes.
    pub len_bytes: u64,
}
