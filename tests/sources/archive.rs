//! Files whose every value is the number of their version: an answer that mixes two versions shows.

/// Records, each of which is a chunk.
pub(crate) const N_RECORDS: usize = 8;

/// The pieces of a NetCDF-3 file (header, then record by record) with `n_variables` variables `v0`, `v1`, …
/// on the dimensions `time` and `x`, whose records alternate.
///
/// # Source
/// NetCDF classic format, <https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html>.
pub(crate) fn netcdf_pieces(version: i32, n_values: usize, n_variables: usize) -> Vec<Vec<u8>> {
    const DIMENSION: u32 = 10;
    const VARIABLE: u32 = 11;
    const INT: u32 = 4;
    let name =
        |letters: &[u8]| u32::from_be_bytes(std::array::from_fn(|i| letters.get(i).copied().unwrap_or(0)));
    let record_bytes = (n_values * 4) as u32;
    let mut words = vec![N_RECORDS as u32, DIMENSION, 2];
    words.extend([4, name(b"time"), 0, 1, name(b"x"), n_values as u32]);
    // No attributes.
    words.extend([0, 0, VARIABLE, n_variables as u32]);
    let len_of_variable = 10;
    let begin = (4 + 4 * (words.len() + len_of_variable * n_variables)) as u32;
    for number in 0..n_variables as u32 {
        let letters = name(&[b'v', b'0' + number as u8]);
        // On both dimensions, without attributes.
        words.extend([2, letters, 2, 0, 1, 0, 0, INT, record_bytes, begin + number * record_bytes]);
    }
    let mut header = b"CDF\x01".to_vec();
    words.iter().for_each(|word| header.extend(word.to_be_bytes()));
    let record: Vec<u8> = version.to_be_bytes().repeat(n_values * n_variables);
    std::iter::once(header).chain(std::iter::repeat_n(record, N_RECORDS)).collect()
}

/// The whole NetCDF-3 file with one variable, `v0`.
pub(crate) fn netcdf(version: i32, n_values: usize) -> Vec<u8> {
    netcdf_pieces(version, n_values, 1).concat()
}

/// The objects of a Zarr store of format 2 with the array `v`, `separator` between the numbers of a key.
/// The chunk of record 3 was never written.
pub(crate) fn zarr(version: i32, n_values: usize, separator: &str) -> Vec<(String, Vec<u8>)> {
    let array = format!(
        r#"{{"zarr_format": 2, "shape": [{N_RECORDS}, {n_values}], "chunks": [1, {n_values}], "dtype": "<i4",
            "compressor": null, "filters": null, "fill_value": -1, "order": "C",
            "dimension_separator": "{separator}"}}"#
    );
    let (group, attrs) = (r#"{"zarr_format": 2}"#, r#"{"_ARRAY_DIMENSIONS": ["time", "x"]}"#);
    let consolidated = format!(
        r#"{{"zarr_consolidated_format": 1, "metadata": {{".zgroup": {group}, "v/.zarray": {array}, "v/.zattrs": {attrs}}}}}"#
    );
    let documents =
        [(".zgroup", group), (".zmetadata", &consolidated), ("v/.zarray", &array), ("v/.zattrs", attrs)];
    let mut objects: Vec<(String, Vec<u8>)> =
        documents.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    for record in (0..N_RECORDS).filter(|record| *record != 3) {
        objects.push((format!("v/{record}{separator}0"), version.to_le_bytes().repeat(n_values)));
    }
    objects
}

/// The one value that all words of an answer have.
///
/// # Errors
/// What the answer is instead.
pub(crate) fn only_value(bytes: &[u8], n_values: usize) -> Result<i32, NoValue> {
    if bytes.len() != n_values * 4 {
        return Err(NoValue::Length(bytes.len()));
    }
    let word = |at: usize| i32::from_be_bytes(std::array::from_fn(|byte| bytes[at + byte]));
    // All words are the same if each is the same as the next.
    let (all_but_last, all_but_first) = (&bytes[..bytes.len() - 4], &bytes[4..]);
    if all_but_last == all_but_first {
        return Ok(word(0));
    }
    let other = (0..bytes.len()).step_by(4).map(word).find(|other| *other != word(0));
    Err(NoValue::Mixed(word(0), other.unwrap_or_default()))
}

/// Why an answer has no one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoValue {
    /// It has that many bytes.
    Length(usize),
    /// It mixes these.
    Mixed(i32, i32),
}
