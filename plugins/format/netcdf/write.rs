//! Writes NetCDF-4 files through libnetcdf: one group, every variable whole and uncompressed.
//!
//! | element | stored as |
//! |---|---|
//! | integers and floats | numbers of the same size, little-endian |
//! | booleans | `NC_BYTE` with the attribute `dtype: "bool"`, as xarray writes and reads them |
//! | texts | `NC_STRING`; characters `NC_CHAR` |
//! | text attributes | `NC_CHAR` if they are ASCII, else `NC_STRING`, as netCDF4-python writes them |
//!
//! Floats that have a fill get it as `_FillValue`, coordinates of dimensions excepted: those cannot be missing. A dimension
//! of length 0 is unlimited, for NetCDF has no other.
//!
//! # Source
//! <https://docs.unidata.ucar.edu/netcdf-c/current/>, "NetCDF-4 C API"; names: `nc_def_var`, "Object Names".
//!
//! # Limits
//! Variables with elements of two bytes that are floats, and records, are refused. Attributes whose names NetCDF does not have
//! (with a slash or a control character, with a space at the end, with a sign at the beginning, reserved ones) are left out. The same source gives the same bytes with
//! the same libraries: `_NCProperties` names their versions.

mod attributes;
mod file;
mod values;

use std::path::Path;

use thermocline_core::write::{ArraySource, ArrayWriter};
use thermocline_core::{Error, Result};
use thermocline_model::{Attribute, DataType, Dimension, Group, Variable};

use file::{File, NcType};
use values::Values;

/// Writes NetCDF-4 files.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Netcdf4Writer;

impl ArrayWriter for Netcdf4Writer {
    fn media_type(&self) -> &'static str {
        "application/netcdf"
    }

    fn extension(&self) -> &'static str {
        "nc"
    }

    fn write(&self, source: &dyn ArraySource, to: &Path) -> Result<()> {
        let root = source.root();
        let plan = Layout::of(root)?;
        let mut file = File::create(to)?;
        plan.define(&mut file, root)?;
        file.end_definitions()?;
        for (variable, stored) in root.variables.iter().zip(&plan.variables) {
            if variable.n_elements() == Some(0) {
                continue;
            }
            let values = source.values(&variable.name)?;
            let values = Values::of(variable, stored.kind, &values)?;
            file.put(stored.number()?, &variable.name, &values)?;
        }
        file.close()
    }
}

/// What a file will have, checked before it is begun.
struct Layout {
    dims: Vec<Dimension>,
    variables: Vec<Stored>,
}

/// A variable as it is stored.
struct Stored {
    kind: NcType,
    /// Numbers of its dimensions among those of the file.
    dims: Vec<usize>,
    /// Number that the file gives it.
    number: std::cell::Cell<Option<i32>>,
}

impl Stored {
    fn number(&self) -> Result<i32> {
        self.number.get().ok_or_else(|| Error::internal("a variable is written before it is defined"))
    }
}

impl Layout {
    fn of(root: &Group) -> Result<Self> {
        if let Some(group) = root.groups.first() {
            return Err(Error::invalid_input(format!(
                "group {:?}: files are written without groups",
                group.name
            )));
        }
        let mut layout = Self { dims: Vec::new(), variables: Vec::new() };
        for variable in &root.variables {
            file::check_name("variable", &variable.name)?;
            let kind = NcType::of(&variable.dtype).ok_or_else(|| unsupported(variable))?;
            let dims = layout.dims_of(variable)?;
            layout.variables.push(Stored { kind, dims, number: std::cell::Cell::new(None) });
        }
        Ok(layout)
    }

    /// The numbers of a variable's dimensions, new ones added.
    fn dims_of(&mut self, variable: &Variable) -> Result<Vec<usize>> {
        if variable.dims.len() != variable.shape.len() {
            return Err(Error::internal(format!(
                "{:?} has another number of dimensions than lengths",
                variable.name
            )));
        }
        let mut numbers = Vec::new();
        for (name, len) in variable.dims.iter().zip(&variable.shape) {
            let known = self.dims.iter().position(|dim| dim.name == *name);
            match known.and_then(|number| self.dims.get(number)) {
                Some(dim) if dim.len != *len => {
                    return Err(Error::invalid_input(format!(
                        "dimension {name:?} has length {} and, of variable {:?}, {len}",
                        dim.len, variable.name
                    )));
                }
                Some(_) => {}
                None => {
                    file::check_name("dimension", name)?;
                    self.dims.push(Dimension { name: name.clone(), len: *len, is_unlimited: *len == 0 });
                }
            }
            numbers.push(known.unwrap_or(self.dims.len() - 1));
        }
        Ok(numbers)
    }

    fn define(&self, file: &mut File, root: &Group) -> Result<()> {
        attributes::put_all(file, None, &root.attrs)?;
        let mut numbers = Vec::new();
        for dim in &self.dims {
            numbers.push(file.dimension(&dim.name, dim.len)?);
        }
        for (variable, stored) in root.variables.iter().zip(&self.variables) {
            let dims: Vec<i32> = stored.dims.iter().filter_map(|dim| numbers.get(*dim).copied()).collect();
            let number = file.variable(&variable.name, stored.kind, &dims)?;
            stored.number.set(Some(number));
            attributes::put_all(file, Some((number, stored.kind)), &attrs_of(variable))?;
        }
        Ok(())
    }
}

fn unsupported(variable: &Variable) -> Error {
    Error::new(
        thermocline_core::ErrorKind::Unsupported,
        format!("variable {:?} is of type {:?}, which NetCDF does not have", variable.name, variable.dtype),
    )
}

/// The attributes of a variable, with those that say what NetCDF's types do not.
fn attrs_of(variable: &Variable) -> thermocline_model::Attributes {
    let mut attrs = variable.attrs.clone();
    if variable.dtype == DataType::Bool {
        attrs.set("dtype", Attribute::Text("bool".to_owned()));
    }
    let is_index = variable.dims.as_slice() == [variable.name.clone()];
    if let Some(fill) =
        values::float_fill(variable).filter(|_| !is_index && attrs.get("_FillValue").is_none())
    {
        attrs.set("_FillValue", fill);
    }
    attrs
}
