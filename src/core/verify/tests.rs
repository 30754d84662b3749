use super::*;
use thermocline_model::{
    Attributes, ChunkPart, ChunkTableBuilder, DataType, Encoding, Object, ObjectIdentity, Storage,
};

use crate::format::OpenOther;

fn table(n_chunks: u64, len_bytes: u32) -> ChunkTable {
    let part = ChunkPart { place: Place::Object(0), encoding: 0, filter_mask: 0, is_short: false };
    let mut builder = ChunkTableBuilder::new();
    for linear in 0..n_chunks {
        builder.push(linear, ChunkRef { part, offset: 0, len_bytes });
    }
    builder.build()
}

#[test]
fn small_variables_are_compared_whole() {
    assert_eq!(sample(&table(20, 10), 20, VerifyLevel::Sample), (0..20).collect::<Vec<_>>());
}

#[test]
fn of_large_variables_the_first_the_last_and_some_more_are_compared() {
    let chosen = sample(&table(100_000, 1000), 100_000, VerifyLevel::Sample);
    assert!(chosen.contains(&0) && chosen.contains(&99_999));
    assert!((8..=12).contains(&chosen.len()), "{chosen:?}");
}

#[test]
fn of_a_grid_of_absurd_size_only_what_is_written_is_compared() {
    let chosen = sample(&table(3, 10), u64::MAX, VerifyLevel::Full);
    assert!(chosen.len() < 20 && chosen.starts_with(&[0, 1, 2]), "{chosen:?}");
}

fn named(name: String) -> Variable {
    let dtype = DataType::Char;
    Variable {
        name,
        dims: Vec::new(),
        shape: Vec::new(),
        dtype: dtype.clone(),
        fill: None,
        attrs: Attributes::new(),
        storage: Storage {
            chunk_shape: Vec::new(),
            served_chunk_shape: Vec::new(),
            encodings: vec![Encoding { dtype, codecs: Vec::new() }],
            table: 0,
            source_path: String::new(),
        },
        verification: Verification::Unverified { reason: String::new() },
    }
}

#[test]
fn outcomes_of_as_many_variables_as_a_dataset_may_have_are_recorded_in_no_time() {
    let n_variables = 200_000;
    let variables = (0..n_variables).map(|number| named(format!("v{number}"))).collect();
    let child = Group { name: "g".to_owned(), variables: vec![named("w".to_owned())], ..Group::default() };
    let root = Group { variables, groups: vec![child], ..Group::default() };
    let mut indexed = Indexed { dataset: Dataset { root, ..Dataset::default() }, ..Indexed::default() };
    let mut outcomes: Vec<Outcome> = (0..n_variables).map(|_| Outcome::Equal { n_chunks: 1 }).collect();
    outcomes[1] = Outcome::Different("it differs".to_owned());
    outcomes.push(Outcome::Unable("no library".to_owned()));
    record(&mut indexed, outcomes);
    let Dataset { root, refusals, notes, .. } = indexed.dataset;
    assert_eq!(root.variables.len(), n_variables - 1);
    assert_eq!(root.variables[1].name, "v2");
    assert_eq!(root.variables[1].verification, Verification::Verified { n_chunks: 1 });
    assert_eq!(refusals[0].path, "v1");
    assert_eq!(notes[0].path, "g/w");
}

#[test]
fn an_array_without_chunks_has_nothing_to_compare() {
    assert!(sample(&ChunkTable::default(), 0, VerifyLevel::Sample).is_empty());
}

/// Eight bytes in two chunks, kept inline.
fn two_chunks() -> Indexed {
    let part = ChunkPart { place: Place::Inline, encoding: 0, filter_mask: 0, is_short: false };
    let mut table = ChunkTableBuilder::new();
    table.push(0, ChunkRef { part, offset: 0, len_bytes: 4 });
    table.push(1, ChunkRef { part, offset: 4, len_bytes: 4 });
    let variable = Variable {
        name: "v".to_owned(),
        dims: vec!["x".to_owned()],
        shape: vec![8],
        dtype: DataType::Char,
        fill: None,
        attrs: Attributes::new(),
        storage: Storage {
            chunk_shape: vec![4],
            served_chunk_shape: vec![4],
            encodings: vec![Encoding { dtype: DataType::Char, codecs: vec![] }],
            table: 0,
            source_path: "v".to_owned(),
        },
        verification: Verification::Unverified { reason: String::new() },
    };
    let mut indexed =
        Indexed { tables: vec![table.build()], inline: b"abcdefgh".to_vec(), ..Indexed::default() };
    indexed.dataset.root.variables.push(variable);
    indexed
}

/// A library that cannot judge the first chunk and reads `second` as the second one.
struct HalfBlind {
    second: &'static [u8],
}

impl References for HalfBlind {
    fn open<'a>(
        &'a self,
        _: &'a dyn Format,
        _: &'a Source<'a>,
    ) -> std::result::Result<Box<dyn ReferenceReader + 'a>, ReferenceError> {
        Ok(Box::new(Self { second: self.second }))
    }
}

impl ReferenceReader for HalfBlind {
    fn read(
        &mut self,
        _: &Variable,
        _: &DataType,
        region: &Region,
    ) -> std::result::Result<ArrayBytes, ReferenceError> {
        match region.start.as_slice() {
            [0] => Err(ReferenceError::Unable("no such filter".to_owned())),
            _ => Ok(ArrayBytes::Fixed(self.second.to_vec())),
        }
    }
}

struct Nothing;

impl Format for Nothing {
    fn id(&self) -> &'static str {
        "nothing"
    }
    fn sniff(&self, _: &[u8], _: &str) -> bool {
        false
    }
    fn index(&self, _: &Source<'_>) -> Result<Indexed> {
        Err(Error::refused("nothing"))
    }
    fn decode(&self, _: &Source<'_>, _: &Variable, _: &Region) -> Result<ArrayBytes> {
        Err(Error::unsupported("nothing"))
    }
    fn reference(&self, _: &Source<'_>) -> std::result::Result<Box<dyn ReferenceReader>, ReferenceError> {
        Err(ReferenceError::Unable("nothing".to_owned()))
    }
}

impl OpenOther for Nothing {
    fn open(&self, _: &str) -> Result<Option<Arc<dyn ReadAt>>> {
        Ok(None)
    }
    fn list(&self, _: &str) -> Result<Vec<(String, u64)>> {
        Ok(Vec::new())
    }
}

struct Empty(Object);

impl ReadAt for Empty {
    fn object(&self) -> &Object {
        &self.0
    }
    fn read_at(&self, _: u64, _: usize) -> Result<bytes::Bytes> {
        Err(Error::corrupt("nothing"))
    }
    fn local_path(&self) -> Option<&std::path::Path> {
        None
    }
}

fn verified(second: &'static [u8]) -> Indexed {
    let identity = ObjectIdentity::ETag(String::new());
    let object = Empty(Object { href: "x".to_owned(), len_bytes: 0, identity });
    let limits = crate::format::Limits::default();
    let source = Source { object: Arc::new(object), others: &Nothing, limits: &limits };
    let mut indexed = two_chunks();
    verify(&Nothing, &HalfBlind { second }, &source, &mut indexed, VerifyLevel::Sample).unwrap();
    indexed
}

#[test]
fn a_chunk_that_nobody_can_judge_hides_no_difference_in_another() {
    let indexed = verified(b"efgX");
    assert!(indexed.dataset.root.variables.is_empty());
    assert!(indexed.dataset.refusals[0].reason.contains("values at [4] differ"));
}

#[test]
fn a_variable_with_a_chunk_that_nobody_can_judge_is_served_unverified() {
    let indexed = verified(b"efgh");
    let verification = &indexed.dataset.root.variables[0].verification;
    assert_eq!(*verification, Verification::Unverified { reason: "no such filter".to_owned() });
}

/// An object of this machine whose bytes a library may open at a path.
struct Lent(Object, std::path::PathBuf);

impl ReadAt for Lent {
    fn object(&self) -> &Object {
        &self.0
    }
    fn read_at(&self, _: u64, _: usize) -> Result<bytes::Bytes> {
        Err(Error::corrupt("nothing"))
    }
    fn local_path(&self) -> Option<&Path> {
        Some(&self.1)
    }
}

/// Lends every object by its last name in a folder.
struct LentFrom<'f>(&'f Path);

impl LentFrom<'_> {
    fn lend(&self, href: &str) -> Arc<dyn ReadAt> {
        let identity = ObjectIdentity::ETag(String::new());
        let object = Object { href: href.to_owned(), len_bytes: 0, identity };
        Arc::new(Lent(object, self.0.join(href.rsplit('/').next().unwrap())))
    }
}

impl OpenOther for LentFrom<'_> {
    fn open(&self, name: &str) -> Result<Option<Arc<dyn ReadAt>>> {
        Ok(Some(self.lend(name)))
    }
    fn list(&self, _: &str) -> Result<Vec<(String, u64)>> {
        Ok(Vec::new())
    }
}

#[test]
fn what_is_put_together_from_files_is_not_compared_where_a_library_would_not_find_them() {
    let (archive, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for name in ["main", "source"] {
        std::fs::write(archive.path().join(name), name).unwrap();
        std::fs::write(cache.path().join(name), name).unwrap();
    }
    let verified = |lent_from: &Path| {
        let others = LentFrom(lent_from);
        let object = |name: &str| others.lend(archive.path().join(name).to_str().unwrap());
        let limits = crate::format::Limits::default();
        let source = Source { object: object("main"), others: &others, limits: &limits };
        let mut indexed = two_chunks();
        indexed.dataset.objects = ["main", "source"].map(|name| object(name).object().clone()).into();
        let part = ChunkPart { place: Place::Assembled(0), encoding: 0, filter_mask: 0, is_short: false };
        let mut table = ChunkTableBuilder::new();
        table.push(1, ChunkRef { part, offset: 8, len_bytes: 4 });
        indexed.tables = vec![table.build()];
        indexed.inline.extend(1_u32.to_le_bytes());
        verify(&Nothing, &HalfBlind { second: b"fill" }, &source, &mut indexed, VerifyLevel::Sample).unwrap();
        indexed.dataset
    };

    let dataset = verified(cache.path());
    assert!(dataset.refusals.is_empty(), "{:?}", dataset.refusals);
    let Verification::Unverified { reason } = &dataset.root.variables[0].verification else { panic!() };
    assert!(reason.contains("would not find"), "{reason}");
    assert!(!verified(archive.path()).refusals.is_empty(), "in place it is compared");
}
