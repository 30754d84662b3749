//! Files in which one thing is damaged: only that is lost, and nothing is served that means something else.

use hdf5::{File, FileBuilder};
use thermocline_model::{Note, Refusal};

use crate::{Wind, index, newest, variable, written, written_as};

/// Everywhere where `what` begins: the library leaves behind what it moves.
fn find_all(bytes: &[u8], what: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(what.len()).enumerate();
    windows.filter(|(_, window)| *window == what).map(|(at, _)| at).collect()
}

/// Where `what` begins first.
fn find(bytes: &[u8], what: &[u8]) -> usize {
    find_all(bytes, what)[0]
}

/// A file with an array `v` that has attributes.
fn with_attributes(file: &File) -> hdf5::Result<()> {
    let v = file.new_dataset_builder().with_data(&[1_i16, 2, 3]).create("v")?;
    v.new_attr::<f64>().create("scale_factor")?.write_scalar(&0.5)?;
    v.new_attr::<f64>().create("author_number")?.write_scalar(&7.0)?;
    file.new_dataset_builder().with_data(&[1_i16, 2, 3]).create("w").map(|_| ())
}

/// The file with a type that does not exist in the attribute of that name.
fn with_damaged_type(name: &str) -> Vec<u8> {
    let mut bytes = written(with_attributes);
    for at in find_all(&bytes, format!("{name}\0").as_bytes()) {
        bytes[at + name.len() + 1] = 0xff;
    }
    bytes
}

fn paths(refusals: &[Refusal]) -> Vec<&str> {
    refusals.iter().map(|refusal| refusal.path.as_str()).collect()
}

fn note_paths(notes: &[Note]) -> Vec<&str> {
    notes.iter().map(|note| note.path.as_str()).collect()
}

#[test]
fn a_variable_whose_decoding_attribute_is_damaged_is_refused() {
    let indexed = index(&with_damaged_type("scale_factor")).unwrap();
    assert_eq!(paths(&indexed.dataset.refusals), ["v"]);
    assert!(indexed.dataset.refusals[0].reason.starts_with("its attribute scale_factor cannot be read"));
    assert!(indexed.dataset.root.variable("v").is_none());
    assert!(indexed.dataset.root.variable("w").is_some());
}

#[test]
fn another_attribute_that_is_damaged_loses_only_itself() {
    let indexed = index(&with_damaged_type("author_number")).unwrap();
    assert_eq!(note_paths(&indexed.dataset.notes), ["v@author_number"]);
    let attrs = &variable(&indexed, "v").attrs;
    assert!(attrs.get("scale_factor").is_some() && attrs.get("author_number").is_none());
}

#[test]
fn an_attribute_whose_very_name_is_damaged_may_be_any() {
    let mut bytes = written(with_attributes);
    for at in find_all(&bytes, b"scale_factor\0") {
        bytes[at - 6..at - 4].fill(0xff);
    }
    assert_eq!(paths(&index(&bytes).unwrap().dataset.refusals), ["v"]);
}

#[test]
fn a_variable_whose_attributes_cannot_be_listed_is_refused() {
    let mut builder = FileBuilder::new();
    newest(&mut builder);
    let mut bytes = written_as(builder, |file| {
        let v = file.new_dataset_builder().with_data(&[1_i16, 2, 3]).create("v")?;
        for number in 0..20 {
            v.new_attr::<i32>().create(format!("a{number}").as_str())?.write_scalar(&number)?;
        }
        file.new_dataset_builder().with_data(&[1_i16, 2, 3]).create("w").map(|_| ())
    });
    // The B-tree of the names of attributes is of type 8.
    let names = find(&bytes, b"BTHD\0\x08");
    bytes[names + 8] ^= 1;
    let indexed = index(&bytes).unwrap();
    assert_eq!(paths(&indexed.dataset.refusals), ["v"]);
    assert!(indexed.dataset.root.variable("w").is_some());
}

#[test]
fn attributes_of_types_without_counterpart_are_left_out() {
    let bytes = written(|file| {
        let v = file.new_dataset_builder().with_data(&[1_i16, 2, 3]).create("v")?;
        let wind = Wind { flag: 1, speed: 0.5, direction: 10 };
        v.new_attr::<Wind>().create("_FillValue")?.write_scalar(&wind)
    });
    let indexed = index(&bytes).unwrap();
    assert!(indexed.dataset.refusals.is_empty());
    assert_eq!(note_paths(&indexed.dataset.notes), ["v@_FillValue"]);
}

#[test]
fn a_file_of_which_nothing_is_left_is_refused() {
    let mut bytes = written(|file| {
        file.new_dataset_builder().with_data(&[1_i16, 2, 3]).create("a")?;
        file.create_group("g").map(|_| ())
    });
    let root = find(&bytes, b"SNOD") + 8;
    bytes[root..root + 8].fill(0x7f);
    assert!(index(&bytes).unwrap_err().message().contains("its link cannot be read"));
}

/// A file of three arrays, and where the entry of each is in the symbol table.
fn three() -> (Vec<u8>, [usize; 3]) {
    let bytes = written(|file| {
        let create = |name| file.new_dataset_builder().with_data(&[1_i16, 2, 3]).create(name).map(|_| ());
        ["a", "b", "c"].into_iter().try_for_each(create)
    });
    let entries = find(&bytes, b"SNOD") + 8;
    (bytes, [entries, entries + 40, entries + 80])
}

#[test]
fn a_link_whose_name_is_damaged_loses_only_itself() {
    let (mut bytes, [_, b, _]) = three();
    bytes[b..b + 8].fill(0x7f);
    let indexed = index(&bytes).unwrap();
    assert!(indexed.dataset.root.variable("a").is_some());
    assert!(indexed.dataset.root.variable("c").is_some());
    assert_eq!(note_paths(&indexed.dataset.notes), ["?"]);
}

#[test]
fn a_link_whose_target_is_damaged_loses_only_itself() {
    let (mut bytes, [_, b, _]) = three();
    bytes[b + 8..b + 16].fill(0xff);
    let indexed = index(&bytes).unwrap();
    assert_eq!(indexed.dataset.root.variables.len(), 2);
    assert_eq!(note_paths(&indexed.dataset.notes), ["b"]);
}

#[test]
fn a_soft_link_to_what_may_be_a_damaged_member_is_not_called_dangling() {
    let mut bytes = written(|file| {
        file.new_dataset_builder().with_data(&[1_i16, 2, 3]).create("a")?;
        let g = file.create_group("g")?;
        g.new_dataset_builder().with_data(&[1_i16, 2, 3]).create("w")?;
        g.link_soft("/a", "s")
    });
    let root = find(&bytes, b"SNOD") + 8;
    bytes[root..root + 8].fill(0x7f);
    let indexed = index(&bytes).unwrap();
    let note = indexed.dataset.notes.iter().find(|note| note.path == "g/s").unwrap();
    assert!(note.note.contains("may be a member that cannot be read"), "{}", note.note);
}
