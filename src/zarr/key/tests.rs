use proptest::prelude::*;
use thermocline_model::{
    Attributes, ByteOrder, DataType, Dataset, Encoding, Group, Storage, Variable, Verification,
};

use super::*;
use crate::{EntryKind, list};

fn variable(name: &str, shape: &[u64], chunks: &[u64]) -> Variable {
    let dtype = DataType::Float { size: 4, order: ByteOrder::Little };
    Variable {
        name: name.into(),
        dims: shape.iter().enumerate().map(|(i, _)| format!("d{i}")).collect(),
        shape: shape.to_vec(),
        dtype: dtype.clone(),
        fill: None,
        attrs: Attributes::new(),
        storage: Storage {
            chunk_shape: chunks.to_vec(),
            served_chunk_shape: chunks.to_vec(),
            encodings: vec![Encoding { dtype, codecs: vec![] }],
            table: 0,
            source_path: name.into(),
        },
        verification: Verification::Unverified { reason: String::new() },
    }
}

fn dataset() -> Dataset {
    let mut dataset = Dataset::default();
    dataset.root.variables = vec![
        variable("tas", &[5, 4], &[2, 4]),
        variable("crs", &[], &[]),
        variable("c", &[4], &[2]),
        variable("0.0", &[4], &[2]),
        variable("a b.c", &[4], &[2]),
        variable("none", &[0], &[2]),
    ];
    let deep =
        Group { name: "deep".into(), variables: vec![variable("tas", &[2], &[1])], ..Group::default() };
    dataset.root.groups = vec![Group { name: "ocean".into(), groups: vec![deep], ..Group::default() }];
    dataset
}

/// What a key means, in words.
fn meaning(view: View, key: &str) -> String {
    let hierarchy = Hierarchy::new(&dataset(), view);
    match ZarrKey::parse(&hierarchy, key) {
        None => "nothing".to_owned(),
        Some(ZarrKey::Node { path, .. }) => format!("node {path:?}"),
        Some(ZarrKey::Document { path, kind }) => format!("{} of {path:?}", kind.name()),
        Some(ZarrKey::Chunk { array, index }) => format!("chunk {index:?} of {:?}", array.path),
        Some(ZarrKey::ChunkDirectory { array, prefix }) => format!("below {prefix:?} of {:?}", array.path),
    }
}

#[test]
fn keys_of_format_2() {
    for (key, expected) in [
        ("", "node \"\""),
        (".zmetadata", ".zmetadata of \"\""),
        ("ocean/.zgroup", ".zgroup of \"ocean\""),
        ("ocean/deep/tas/.zarray", ".zarray of \"ocean/deep/tas\""),
        ("tas/", "node \"tas\""),
        ("tas/2.0", "chunk [2, 0] of \"tas\""),
        ("crs/0", "chunk [] of \"crs\""),
        ("c/1", "chunk [1] of \"c\""),
        ("0.0/0", "chunk [0] of \"0.0\""),
        ("a b.c/1", "chunk [1] of \"a b.c\""),
        ("ocean/deep/tas/1", "chunk [1] of \"ocean/deep/tas\""),
    ] {
        assert_eq!(meaning(View::V2, key), expected, "{key}");
    }
}

#[test]
fn keys_of_format_3() {
    for (key, expected) in [
        ("zarr.json", "zarr.json of \"\""),
        ("tas/zarr.json", "zarr.json of \"tas\""),
        ("tas/c/2/0", "chunk [2, 0] of \"tas\""),
        ("tas/c", "below [] of \"tas\""),
        ("tas/c/1/", "below [1] of \"tas\""),
        ("crs/c", "chunk [] of \"crs\""),
        ("c/c/1", "chunk [1] of \"c\""),
        ("0.0/c/0", "chunk [0] of \"0.0\""),
    ] {
        assert_eq!(meaning(View::V3, key), expected, "{key}");
    }
}

#[test]
fn everything_else_means_nothing() {
    let wrong_in_2 = [
        "tas/3.0",
        "tas/0",
        "tas/0.0.0",
        "tas/00.0",
        "tas/+0.0",
        "tas/-1.0",
        "tas/0..0",
        "tas/0.0.",
        "tas/0x0.0",
        "tas/1e0.0",
        "tas/ 0.0",
        "tas/0.0\0",
        "tas/.",
        "tas/99999999999999999999999.0",
        "tas/c/0/0",
        "tas/.zarray.gmac",
        "tas/.zgroup",
        "tas/.zmetadata",
        "tas/.zarray/0",
        "zarr.json",
        "nope/.zarray",
        "nope",
        "crs/0.0",
        "crs/",
        "/tas/0.0",
        "tas//0.0",
        "none/0",
        "../tas/0.0",
        "crs/00",
    ];
    for key in wrong_in_2.into_iter().filter(|key| *key != "crs/") {
        assert_eq!(meaning(View::V2, key), "nothing", "{key}");
    }
    for key in [
        "tas/0.0",
        "tas/c/3",
        "tas/c/0/0/0",
        "tas/c/00/0",
        "tas/c/-1/0",
        "tas/c/x",
        "tas/d/0/0",
        "tas/c.0.0",
        ".zgroup",
        "tas/c//0",
        "none/c/0",
        "none/c",
        "crs/c/0",
    ] {
        assert_eq!(meaning(View::V3, key), "nothing", "{key}");
    }
}

#[test]
fn listings_show_documents_children_and_chunks_up_to_the_limit() {
    let dataset = dataset();
    let names = |view: View, key: &str, max: u64| {
        let hierarchy = Hierarchy::new(&dataset, view);
        let listing = list(&hierarchy, &ZarrKey::parse(&hierarchy, key).unwrap(), max).unwrap();
        let names: Vec<String> = listing.entries.iter().map(|entry| entry.name.clone()).collect();
        (names.join(" "), listing.n_omitted)
    };
    assert_eq!(
        names(View::V2, "", 9),
        (".zmetadata .zgroup .zattrs tas crs c 0.0 a b.c none ocean".to_owned(), 0)
    );
    assert_eq!(names(View::V2, "tas", 9), (".zarray .zattrs 0.0 1.0 2.0".to_owned(), 0));
    assert_eq!(names(View::V2, "tas", 2), (".zarray .zattrs 0.0 1.0".to_owned(), 1));
    assert_eq!(names(View::V3, "tas", 9), ("zarr.json c".to_owned(), 0));
    assert_eq!(names(View::V3, "tas/c", 9), ("0 1 2".to_owned(), 0));
    assert_eq!(names(View::V3, "ocean/deep", 9), ("zarr.json tas".to_owned(), 0));
    let hierarchy = Hierarchy::new(&dataset, View::V3);
    let scalar = list(&hierarchy, &ZarrKey::parse(&hierarchy, "crs").unwrap(), 9).unwrap();
    assert_eq!(scalar.entries.last().unwrap().kind, EntryKind::Chunk(vec![]));
}

proptest! {
    #[test]
    fn parsing_never_panics(key in "[a-z0-9./ ]{0,24}", any in any::<String>()) {
        for view in [View::V2, View::V3, View::Core] {
            let hierarchy = Hierarchy::new(&dataset(), view);
            let _ = ZarrKey::parse(&hierarchy, &key);
            let _ = ZarrKey::parse(&hierarchy, &any);
        }
    }

    #[test]
    fn chunk_keys_come_back(i in 0_u64..3, is_v2 in any::<bool>()) {
        let view = if is_v2 { View::V2 } else { View::V3 };
        let hierarchy = Hierarchy::new(&dataset(), view);
        let key = format!("tas/{}", chunk_key(view, &[i, 0]));
        let parsed = ZarrKey::parse(&hierarchy, &key);
        let is_same = matches!(&parsed, Some(ZarrKey::Chunk { index, .. }) if *index == [i, 0]);
        prop_assert!(is_same, "{}", key);
    }
}
