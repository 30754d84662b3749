//! Attributes that the machinery of dimensions needs.

use thermocline_core::Result;
use thermocline_model::{Attribute, Number};

use super::shown::{Shown, numbers, shown_value};
use super::{RawAttribute, RawValue};
use crate::cursor::Cursor;
use crate::datatype::Class;
use crate::file::File;
use crate::storage::is_fault_of_file;

/// Values of attributes that the machinery of dimensions needs.
pub(crate) struct Machinery<'a> {
    file: &'a File,
    attributes: &'a [RawAttribute],
}

impl<'a> Machinery<'a> {
    pub(crate) fn new(file: &'a File, attributes: &'a [RawAttribute]) -> Self {
        Self { file, attributes }
    }

    fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.attributes.iter().find(|attribute| attribute.is_called(name))?;
        found.value.as_ref().ok()
    }

    /// True if there is an attribute of that name, readable or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.attributes.iter().any(|attribute| attribute.is_called(name))
    }

    /// A text attribute; `None` if it is absent or not a text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        match shown_value(self.file, raw) {
            Ok(Shown { value: Attribute::Text(text), .. }) => Ok(Some(text)),
            Ok(_) => Ok(None),
            Err(error) if is_fault_of_file(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An attribute of integers; `None` if it is absent or of another type.
    pub(crate) fn integers(&self, name: &str) -> Option<Vec<i128>> {
        let value = self.raw(name).and_then(|raw| numbers(raw, raw.n_elements()?).ok())?;
        let Attribute::Numbers { values, .. } = value else { return None };
        let integers = values.into_iter().map(|value| match value {
            Number::Integer(value) => Some(value),
            Number::Float(_) => None,
        });
        integers.collect()
    }

    /// For each axis the addresses of its dimension scales.
    pub(crate) fn dimension_list(&self) -> Result<Option<Vec<Vec<u64>>>> {
        let Some(raw) = self.raw("DIMENSION_LIST") else { return Ok(None) };
        let Class::Sequence(base) = &raw.datatype.class else { return Ok(None) };
        if !matches!(base.class, Class::Reference(_)) || base.size < self.file.sizes().address {
            return Ok(None);
        }
        let mut axes = Vec::new();
        for element in raw.bytes.chunks_exact(raw.datatype.size) {
            let references = match self.file.sequence(element, base.size) {
                Ok(references) => references,
                Err(error) if is_fault_of_file(&error) => return Ok(None),
                Err(error) => return Err(error),
            };
            let mut scales = Vec::new();
            for reference in references.chunks_exact(base.size) {
                scales.extend(Cursor::new(reference, self.file.sizes()).address()?);
            }
            axes.push(scales);
        }
        Ok(Some(axes))
    }
}
