use super::*;
use crate::header::{ExternalType, HeaderDimension, Version};

const HEADER_BYTES: u64 = 100;

fn header(n_records: Option<u64>, dimensions: &[u64], variables: &[(ExternalType, &[u64], u64)]) -> Header {
    let variable = |(kind, ids, begin): &(ExternalType, &[u64], u64)| HeaderVariable {
        name: b"v".to_vec(),
        dimension_ids: ids.to_vec(),
        attributes: Vec::new(),
        kind: *kind,
        begin: *begin,
    };
    Header {
        version: Version::Offset64,
        n_records,
        dimensions: dimensions.iter().map(|len| HeaderDimension { name: Vec::new(), len: *len }).collect(),
        attributes: Vec::new(),
        variables: variables.iter().map(variable).collect(),
        len_bytes: HEADER_BYTES,
    }
}

#[test]
fn records_of_several_variables_are_padded_to_four_bytes() {
    let header =
        header(Some(2), &[0, 3], &[(ExternalType::Byte, &[0, 1], 100), (ExternalType::Short, &[0, 1], 104)]);
    let layout = Layout::new(&header, 124).unwrap();
    assert_eq!(layout.variables[0].record_stride, Some(12));
    assert_eq!(layout.variables[0].len_bytes, 3);
    assert_eq!(layout.variables[1].len_bytes, 6);
    assert_eq!(layout.variables[1].shape, [2, 3]);
}

#[test]
fn records_of_a_single_variable_are_not_padded() {
    let header = header(Some(5), &[0, 3], &[(ExternalType::Byte, &[0, 1], 100)]);
    let layout = Layout::new(&header, 115).unwrap();
    assert_eq!(layout.variables[0].record_stride, Some(3));
    assert!(layout.variables[0].is_contiguous());
}

#[test]
fn the_last_record_may_lack_its_padding() {
    let variables: &[(ExternalType, &[u64], u64)] =
        &[(ExternalType::Int, &[0], 100), (ExternalType::Byte, &[0, 1], 104)];
    let header = header(Some(2), &[0, 3], variables);
    assert!(Layout::new(&header, 100 + 8 + 7).is_ok());
    assert!(Layout::new(&header, 100 + 8 + 6).is_err());
}

#[test]
fn streamed_records_are_counted_by_the_size_of_the_file() {
    let variables: &[(ExternalType, &[u64], u64)] =
        &[(ExternalType::Int, &[0], 100), (ExternalType::Byte, &[0, 1], 104)];
    let header = header(None, &[0, 3], variables);
    let count = |len| Layout::new(&header, len).unwrap().n_records;
    assert_eq!(count(100), 0);
    assert_eq!(count(106), 0);
    assert_eq!(count(107), 1);
    assert_eq!(count(115), 2);
    assert_eq!(count(118), 2);
}

#[test]
fn shapes_beyond_the_file_are_refused() {
    let huge = header(Some(0), &[u64::MAX, u64::MAX], &[(ExternalType::Double, &[0, 1], 100)]);
    assert!(Layout::new(&huge, 1000).is_err());
    let long = header(Some(u64::MAX - 1), &[0], &[(ExternalType::Double, &[0], 100)]);
    assert!(Layout::new(&long, 1000).is_err());
    let short = header(Some(0), &[10], &[(ExternalType::Double, &[0], 100)]);
    let message = Layout::new(&short, 179).unwrap_err().to_string();
    assert_eq!(message, "the file is truncated: variable \"v\" needs bytes up to 180, the file has 179");
}

#[test]
fn variables_that_begin_in_the_header_are_refused() {
    let header = header(Some(0), &[10], &[(ExternalType::Byte, &[0], 99)]);
    assert!(Layout::new(&header, 1000).is_err());
}

#[test]
fn the_record_dimension_must_come_first() {
    let header = header(Some(3), &[0, 10], &[(ExternalType::Byte, &[1, 0], 100)]);
    assert!(Layout::new(&header, 1000).is_err());
}

#[test]
fn a_variable_beyond_the_end_of_the_file_was_never_written() {
    let variables: &[(ExternalType, &[u64], u64)] =
        &[(ExternalType::Int, &[0], 100), (ExternalType::Int, &[0], 512)];
    let header = header(Some(0), &[2], variables);
    let is_unwritten = |len| {
        let layout = Layout::new(&header, len).ok()?;
        Some([layout.variables[0].is_unwritten, layout.variables[1].is_unwritten])
    };
    assert_eq!(is_unwritten(520), Some([false, false]));
    assert_eq!(is_unwritten(513), None);
    assert_eq!(is_unwritten(512), Some([false, true]));
    assert_eq!(is_unwritten(108), Some([false, true]));
    assert_eq!(is_unwritten(107), None);
}

#[test]
fn variables_that_overlap_are_refused() {
    let variables: &[(ExternalType, &[u64], u64)] =
        &[(ExternalType::Int, &[0], 108), (ExternalType::Int, &[0], 100)];
    assert!(Layout::new(&header(Some(0), &[2], variables), 1000).is_err());
    let variables: &[(ExternalType, &[u64], u64)] =
        &[(ExternalType::Int, &[0], 100), (ExternalType::Int, &[1], 104)];
    assert!(Layout::new(&header(Some(0), &[0, 2], variables), 1000).is_err());
}

#[test]
fn only_the_last_variable_may_exceed_the_limit_of_the_format() {
    let huge = 1 << 32;
    let last: &[(ExternalType, &[u64], u64)] =
        &[(ExternalType::Int, &[0], 100), (ExternalType::Byte, &[1], 108)];
    assert!(Layout::new(&header(Some(0), &[2, huge], last), huge + 108).is_ok());
    let first: &[(ExternalType, &[u64], u64)] =
        &[(ExternalType::Byte, &[1], 100), (ExternalType::Int, &[0], huge + 100)];
    assert!(Layout::new(&header(Some(0), &[2, huge], first), huge + 108).is_err());
}
