//! Writes NetCDF-3 headers by hand, word for word as the specification's grammar says.

/// The variant of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Classic = 1,
    Offset64 = 2,
    Data64 = 5,
}

/// A variable: name, dimension numbers, attributes, type code, and its record or its whole data.
pub(crate) struct Var {
    pub(crate) name: &'static str,
    pub(crate) dims: &'static [u64],
    pub(crate) attrs: Vec<Attr>,
    pub(crate) kind: u32,
    /// Bytes of the array, or of one record.
    pub(crate) part_len: usize,
    /// One item for a fixed variable, one for each record of a record variable.
    pub(crate) parts: Vec<Vec<u8>>,
}

/// An attribute: name, type code, number of values, values.
pub(crate) type Attr = (&'static str, u32, u64, Vec<u8>);

/// A file of `dims` (length 0 for the record dimension) and variables; record variables come last.
pub(crate) fn file(version: Version, dims: &[(&str, u64)], attrs: &[Attr], vars: &[Var]) -> Vec<u8> {
    let is_record = |var: &&Var| var.dims.first().is_some_and(|id| dims[*id as usize].1 == 0);
    let n_records = vars.iter().filter(is_record).map(|var| var.parts.len()).max().unwrap_or(0);
    let header_len = header(version, n_records as u64, dims, attrs, vars, &vec![0; vars.len()]).len();
    let is_single = vars.iter().filter(is_record).count() == 1;
    let padded = |len: usize| if is_single { len } else { len.next_multiple_of(4) };
    let mut begins = Vec::new();
    let mut end = header_len;
    for var in vars {
        begins.push(end as u64);
        end += if is_record(&var) { padded(var.part_len) } else { var.part_len.next_multiple_of(4) };
    }
    let mut bytes = header(version, n_records as u64, dims, attrs, vars, &begins);
    for var in vars.iter().filter(|var| !is_record(var)) {
        let part = &var.parts[0];
        bytes.extend_from_slice(part);
        bytes.resize(bytes.len() + part.len().next_multiple_of(4) - part.len(), 0xee);
    }
    for record in 0..n_records {
        for var in vars.iter().filter(is_record) {
            let part = &var.parts[record];
            bytes.extend_from_slice(part);
            bytes.resize(bytes.len() + padded(part.len()) - part.len(), 0xee);
        }
    }
    bytes
}

fn header(
    version: Version,
    n_records: u64,
    dims: &[(&str, u64)],
    attrs: &[Attr],
    vars: &[Var],
    begins: &[u64],
) -> Vec<u8> {
    let mut out = Words { version, bytes: vec![b'C', b'D', b'F', version as u8] };
    out.count(n_records);
    out.list(10, dims.len());
    for (name, len) in dims {
        out.name(name);
        out.count(*len);
    }
    out.attributes(attrs);
    out.list(11, vars.len());
    for (var, begin) in vars.iter().zip(begins) {
        out.name(var.name);
        out.count(var.dims.len() as u64);
        var.dims.iter().for_each(|id| out.count(*id));
        out.attributes(&var.attrs);
        out.word(var.kind);
        // Readers must not rely on vsize.
        out.count(4);
        if version == Version::Classic { out.word(*begin as u32) } else { out.long(*begin) }
    }
    out.bytes
}

struct Words {
    version: Version,
    bytes: Vec<u8>,
}

impl Words {
    fn word(&mut self, value: u32) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn long(&mut self, value: u64) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn count(&mut self, value: u64) {
        if self.version == Version::Data64 { self.long(value) } else { self.word(value as u32) }
    }

    fn list(&mut self, tag: u32, len: usize) {
        self.word(if len == 0 { 0 } else { tag });
        self.count(len as u64);
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn name(&mut self, name: &str) {
        self.count(name.len() as u64);
        self.padded(name.as_bytes());
    }

    fn attributes(&mut self, attrs: &[Attr]) {
        self.list(12, attrs.len());
        for (name, kind, n_values, values) in attrs {
            self.name(name);
            self.word(*kind);
            self.count(*n_values);
            self.padded(values);
        }
    }
}
